"""`on_failure`: what is not tried again, and what is said when both tries fail."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.end_to_end.fallback_fleet import ONCE, TWICE, ask, said, times_asked, two_legs
from tests.fleet import Fleet, rule, running_fleet
from tests.harness import KEY, V1, V2, body
from tests.servers import fetch
from tests.waiting import wait_for

DIALECTS = pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
FORMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
WAYS = pytest.mark.parametrize("case", ["to-legacy", "to-model", "from-legacy"])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A rule for each way to try twice."""
    with two_legs(tmp_path_factory.mktemp("limits")) as running:
        yield running


@pytest.mark.one_in(3)
@FORMS
@WAYS
@pytest.mark.parametrize(
    ("status", "kind"),
    [("401", "authentication_error"), ("403", "permission_error"), ("429", "rate_limit_error")],
)
def test_what_nobody_else_would_answer_differently_is_not_tried_again(
    fleet, case, status, kind, stream
):
    answer = ask(fleet, case, {"error": status, "retry-after": "7"}, stream=stream)

    assert (answer.status_code, answer.json()["error"]["type"]) == (int(status), kind)
    assert answer.headers["retry-after"] == "7"
    assert times_asked(fleet, answer) == ONCE[case]
    assert fleet.record(answer)["first_failure"] is None


@FORMS
@pytest.mark.parametrize("case", ["to-legacy", "to-model"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prompt": [17]}, "prompt: "),
        ({"max_tokens_to_sample": ...}, "max_tokens_to_sample: "),
        ({"max_tokens_to_sample": 0}, "max_tokens_to_sample: "),
    ],
    ids=["prompt", "missing", "zero"],
)
def test_a_mistake_of_the_client_is_not_tried_elsewhere(fleet, case, wrong, message, stream):
    answer = fleet.ask(case, **{"model": "claude-2.1", "stream": stream} | wrong)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)
    assert times_asked(fleet, answer) == (0, 0)


def test_what_a_strict_rule_refuses_is_not_tried_elsewhere(fleet):
    answer = fleet.ask("strict", model="claude-2.1", prompt="Hello")

    assert answer.status_code == 400
    assert times_asked(fleet, answer) == (0, 0)


def test_what_can_be_learnt_is_learnt_and_not_tried_elsewhere(fleet):
    answer = ask(fleet, "to-legacy", {}, temperature=0.3)

    assert answer.status_code == 200
    record = fleet.record(answer)
    assert (record["route"], record["first_failure"]) == ("translate", None)
    assert "apply_lesson" in answer.headers["holdover-adjustments"]
    assert times_asked(fleet, answer)[1] == 0


def heard(
    fleet: Fleet, case: str, mood: dict[str, str], version: dict[str, str]
) -> tuple[str, Any]:
    """What a client hears of a stream that may break off, and the request it belongs to."""
    name = f"{case}-{len(version)}-{'-'.join(mood)}"
    who = {"x-case": case, "x-marker": name, "user-agent": name, "x-first": json.dumps(mood)}
    request = body(model="claude-2.1", stream=True)
    pieces: list[bytes] = []
    url = f"{fleet.url}/v1/complete"
    with fleet.client.stream("POST", url, json=request, headers=KEY | version | who) as answer:
        try:
            pieces.extend(answer.iter_bytes())
        except httpx.RemoteProtocolError:
            assert version is V1  # so that nobody takes it for complete
    return b"".join(pieces).decode(), answer


@DIALECTS
@pytest.mark.parametrize("case", ["to-legacy", "to-model"])
@pytest.mark.parametrize(
    "mood",
    [{"error-after-deltas": "2"}, {"break-after-events": "5"}, {"end-after-events": "5"}],
    ids=lambda mood: next(iter(mood)),
)
def test_once_the_client_has_heard_a_word_it_is_told_that_there_are_no_more(
    fleet, case, mood, version
):
    text, answer = heard(fleet, case, mood, version)

    assert "You" in text
    assert "event: error" in text
    assert times_asked(fleet, answer) == ONCE[case]
    record = fleet.record(answer)
    assert (record["first_failure"], record["blame"]) == (None, "upstream")


def test_a_ping_of_our_own_is_a_first_byte(tmp_path):
    """Upstream's are held back; but a client that waits for long is not left without any."""
    rules = rule("to-legacy", 'action = "translate"', 'on_failure = "forward"')
    with running_fleet(tmp_path, "ping_interval = 0.1\n" + rules) as fleet:
        silence = {"simulate-hang-after-events": "1", "simulate-hang-for": "500"}
        answer = fleet.ask("to-legacy", model="claude-2.1", stream=True, headers=silence)

    assert answer.text.startswith("event: ping")
    assert answer.text.count("event: error") == 1
    assert "completion" not in answer.text


@pytest.mark.one_in(3)
@FORMS
@WAYS
def test_whoever_took_too_long_is_not_listened_to_any_more(fleet, case, stream):
    answer = ask(fleet, case, {"delay-headers": "60000"}, stream=stream)

    url = fleet.legacy_url if case == "from-legacy" else fleet.upstream_url
    assert answer.status_code == 200
    wait_for(lambda: fleet.received(url, answer)[0]["outcome"] == "client-disconnected")


@FORMS
@WAYS
def test_if_both_tries_fail_the_second_one_is_told_and_there_is_no_third(fleet, case, stream):
    first = {"error": "500", "error-message": '"of the first"', "retry-after": "1"}
    second = {"error": "529", "error-message": '"of the second"', "retry-after": "2"}
    answer = ask(fleet, case, first, second=second, stream=stream)

    told = answer.json()
    assert answer.status_code == 529
    assert (told["type"], told["request_id"]) == ("error", answer.headers["request-id"])
    assert told["error"] == {"type": "overloaded_error", "message": "of the second"}
    assert answer.headers["retry-after"] == "2"
    assert times_asked(fleet, answer) == TWICE[case]
    record = fleet.record(answer)
    assert record["first_failure"] == "500 api_error"
    assert (record["status"], record["error_type"]) == (529, "overloaded_error")
    assert record["blame"] == "upstream"


@DIALECTS
@WAYS
def test_nothing_of_the_first_answer_is_in_the_second(fleet, case, version):
    mood = {"error": "500", "retry-after": "77", "should-retry": "false"}
    answer = ask(fleet, case, mood, version=version)

    mine, other = fleet.upstream_url, fleet.legacy_url
    urls = {"to-legacy": (mine, other), "to-model": (mine, mine), "from-legacy": (other, mine)}
    failed = fleet.received(urls[case][0], answer)[0]
    assert failed["status"] == 500
    assert answer.status_code == 200
    assert "retry-after" not in answer.headers
    assert "x-should-retry" not in answer.headers
    assert len(answer.headers.get_list("request-id")) == 1
    assert fleet.record(answer)["request_id"] == answer.headers["request-id"]
    assert ("holdover-model" in answer.headers) is (case != "to-legacy")
    assert answer.headers["holdover-rule"] == case


def test_second_tries_are_counted(fleet):
    labels = {"rule": "to-legacy", "route": "forward"}
    before = fleet.number("holdover_second_tries_total", **labels)
    ask(fleet, "to-legacy", {"error": "500"})

    assert fleet.number("holdover_second_tries_total", **labels) - before == 1


@FORMS
def test_without_a_second_try_errors_are_told_as_they_are(fleet, stream):
    for case in ("alone", "legacy-alone"):
        headers = {"simulate-error": "529"}
        answer = fleet.ask(case, model="claude-2.1", stream=stream, headers=headers)

        assert answer.status_code == 529
        assert answer.json()["error"]["type"] == "overloaded_error"


DOWN = "\n".join(
    [
        rule("to-legacy", 'action = "translate"', 'on_failure = "forward"'),
        rule("from-legacy", 'action = "forward"', 'on_failure = "translate"'),
        rule("legacy-alone", 'action = "forward"'),
    ]
)
UNREACHABLE = {
    "type": "api_error",
    "message": "The upstream cannot be reached: it refuses connections.",
}


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.thorough
@pytest.mark.one_in(4)
@DIALECTS
@FORMS
def test_where_the_legacy_upstream_is_down_the_new_one_answers_or_the_client_is_told(
    tmp_path, nowhere, version, stream
):
    with running_fleet(tmp_path, DOWN, legacy_url=nowhere) as fleet:
        form = {"version": version, "stream": stream, "model": "claude-2.1"}
        tried_again = fleet.ask("from-legacy", **form)
        told = fleet.ask("legacy-alone", **form)
        twice = fleet.ask("to-legacy", **form, headers={"simulate-error": "500"})

        assert "the simulator answers" in said(tried_again)
        where = nowhere.removeprefix("http://")
        port = where.partition(":")[2]
        refused = f"502 api_error: [ip]:{port}: it refuses connections ([Errno 111] "
        assert fleet.record(tried_again)["first_failure"].startswith(refused)
        logged = fleet.line("upstream_unreachable")
        assert logged["level"] == "error"
        assert logged["reason"].startswith(f"{where}: it refuses connections")
        for answer in (told, twice):
            id_ = fleet.record(answer)["id"]
            assert answer.status_code == 502
            assert answer.json() == {"type": "error", "error": UNREACHABLE, "request_id": id_}
            assert answer.headers["request-id"] == id_
            assert not [name for name in answer.headers if name.startswith("anthropic-")]
        assert fleet.record(twice)["first_failure"] == "500 api_error"


def test_where_the_new_upstream_is_down_the_legacy_one_answers(tmp_path, nowhere):
    with running_fleet(tmp_path, DOWN, upstream_url=nowhere) as fleet:
        answer = fleet.ask("to-legacy", model="claude-2.1")

        assert "the old API answers" in said(answer)
        assert fleet.record(answer)["first_failure"].startswith("502 api_error: ")


def test_a_stream_that_begins_in_time_may_last_longer_than_the_first_try_has(fleet):
    answer = ask(fleet, "to-legacy", {"delay-events": "150"}, stream=True)

    assert answer.status_code == 200
    assert fleet.record(answer)["total_ms"] > 700
    assert times_asked(fleet, answer) == ONCE["to-legacy"]


def test_a_client_that_leaves_during_the_first_try_begins_no_second(fleet):
    who = {"x-case": "to-legacy", "x-ask": "leaving", "user-agent": "leaving"}
    mood = {"x-first": json.dumps({"delay-headers": "9000"})}
    with pytest.raises(httpx.ReadTimeout):
        fetch(
            "POST",
            f"{fleet.url}/v1/complete",
            json=body(model="claude-2.1"),
            headers=KEY | V2 | who | mood,
            timeout=0.3,
        )

    record = fleet.line("exchange", user_agent="leaving")
    assert (record["outcome"], record["first_failure"]) == ("client_gone", None)
    assert fleet.received_with(fleet.legacy_url, "x-ask", "leaving") == []
