"""Shadows that were due and are not sent: each is counted, with its reason."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.fleet import Fleet, rule, running_fleet
from tests.harness import KEY, V1, V2, body
from tests.servers import fetch_streamed
from tests.waiting import wait_for

POOR = rule("poor", 'action = "translate"', "shadow = { daily_tokens = 300 }")
RULES = "\n".join(
    [
        rule("beside", 'action = "translate"', 'shadow = "translate"'),
        rule("forwarded", 'action = "forward"', 'shadow = "translate"'),
        rule(
            "second-try",
            *('action = "forward"', 'shadow = "translate"', 'on_failure = "translate"'),
        ),
        POOR,
        rule("twice-as-much", 'action = "translate"', "shadow = { daily_tokens = 500 }"),
        rule(
            "with-control",
            'action = "translate"',
            "shadow = { daily_tokens = 500, control = true }",
        ),
    ]
)
FORMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A rule for each kind of shadow."""
    with running_fleet(tmp_path_factory.mktemp("skipped"), RULES) as running:
        yield running


@contextmanager
def nobody_at_home() -> Iterator[str]:
    """An upstream to which one can connect, and no more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def skipped(fleet: Fleet, case: str, reason: str) -> float:
    return fleet.number("holdover_shadows_skipped_total", rule=case, reason=reason)


def all_skipped(fleet: Fleet, case: str) -> float:
    return fleet.number("holdover_shadows_skipped_total", rule=case)


@pytest.mark.one_in(4)
@FORMS
@pytest.mark.parametrize("status", ["400", "429", "529"])
@pytest.mark.parametrize("case", ["beside", "forwarded"])
def test_a_failed_answer_is_not_compared(fleet, case, status, stream):
    before = skipped(fleet, case, "primary_failed")
    answer = fleet.ask(case, stream=stream, model="claude-2.1", headers={"simulate-error": status})

    assert answer.status_code == int(status)
    assert skipped(fleet, case, "primary_failed") - before == 1
    assert len(fleet.received(fleet.upstream_url, answer)) == (case == "beside")


def test_a_stream_that_fails_half_way_is_not_compared(fleet):
    before = skipped(fleet, "beside", "primary_failed")
    answer = fleet.ask("beside", stream=True, headers={"simulate-error-after-deltas": "2"})

    assert b"event: error" in answer.content
    assert skipped(fleet, "beside", "primary_failed") - before == 1


def test_a_request_that_is_refused_has_no_shadow_either(fleet):
    before = skipped(fleet, "beside", "primary_failed")
    answer = fleet.ask("beside", prompt=[17])

    assert answer.status_code == 400
    assert skipped(fleet, "beside", "primary_failed") - before == 1


def test_an_answer_of_a_second_try_is_not_compared(fleet):
    before = skipped(fleet, "second-try", "primary_failed")
    answer = fleet.ask("second-try", model="claude-haiku-4-5")  # unknown to the old upstream

    assert answer.status_code == 200
    assert fleet.record(answer)["first_failure"] == "400 invalid_request_error"
    assert skipped(fleet, "second-try", "primary_failed") - before == 1


@pytest.mark.parametrize("case", ["beside", "forwarded"])
def test_nothing_is_compared_with_an_answer_that_nobody_waited_for(fleet, case):
    before = skipped(fleet, case, "client_gone")
    slow = {"simulate-delay-events": "100", "simulate-repeat": "100"}  # no machine is slower
    headers = KEY | V2 | {"x-case": case} | slow
    request = body(stream=True, model="claude-2.1")
    with fetch_streamed(
        "POST", f"{fleet.url}/v1/complete", json=request, headers=headers
    ) as answer:
        next(answer.iter_bytes())

    wait_for(lambda: skipped(fleet, case, "client_gone") - before == 1)


@pytest.mark.parametrize("version", [V1, V2], ids=["v1", "v2"])
def test_a_client_that_goes_after_the_last_frame_had_its_answer(fleet, version):
    """Old ones always do."""
    before = all_skipped(fleet, "beside")
    name = {"x-case": "beside", "user-agent": f"hasty/{len(version)}"}
    url, headers = f"{fleet.url}/v1/complete", KEY | version | name
    with fetch_streamed("POST", url, json=body(stream=True), headers=headers) as answer:
        pieces = answer.iter_bytes()
        while b'"stop_reason":"stop_sequence"' not in next(pieces):
            pass

    id_ = fleet.line("exchange", user_agent=name["user-agent"])["id"]
    assert fleet.line("shadow", id=id_)["equal"] is True
    assert all_skipped(fleet, "beside") == before


@FORMS
def test_a_compressed_answer_is_passed_on_as_it_is_and_compared_all_the_same(fleet, stream):
    answer = fleet.ask(
        "forwarded", stream=stream, model="claude-2.1", headers={"simulate-gzip": "1"}
    )

    assert answer.headers["content-encoding"] == "gzip"
    wait_for(lambda: fleet.lines("shadow", id=fleet.record(answer)["id"]))


@FORMS
def test_a_forwarded_answer_that_cannot_be_read_is_passed_on_and_not_compared(fleet, stream):
    before = skipped(fleet, "forwarded", "unreadable")
    fault = {"simulate-truncate-body": "20", "simulate-end-after-events": "2"}
    answer = fleet.ask("forwarded", stream=stream, model="claude-2.1", headers=fault)

    assert answer.status_code == 200
    wait_for(lambda: skipped(fleet, "forwarded", "unreadable") - before == 1)


@pytest.mark.thorough
def test_the_queue_is_as_long_as_the_settings_say(tmp_path):
    settings = "shadow_queue = 2\nshadow_connections = 1\n" + rule(
        "beside", 'action = "translate"', 'shadow = "forward"'
    )
    with (
        nobody_at_home() as legacy_url,
        running_fleet(tmp_path, settings, legacy_url=legacy_url) as fleet,
    ):
        answers = [fleet.ask("beside") for _ in range(6)]

        assert [answer.status_code for answer in answers] == [200] * 6
        # One is on its way, two wait.
        assert skipped(fleet, "beside", "queue_full") == 3
        assert all_skipped(fleet, "beside") == 3


def spend(fleet: Fleet) -> httpx.Response:
    """Ask until a shadow is skipped because of the budget; the last one asked."""
    for _ in range(20):
        before = skipped(fleet, "poor", "budget")
        answer = fleet.ask("poor")
        wait_for_shadow(fleet, answer, before)
        if skipped(fleet, "poor", "budget") > before:
            return answer
    pytest.fail("there is no end to it")


def wait_for_shadow(fleet: Fleet, answer: httpx.Response, before: float) -> None:
    """Until it is compared, or skipped because of the budget; so many were before."""
    decided = fleet.record(answer)
    wait_for(
        lambda: (
            fleet.lines("shadow", id=decided["id"])
            or skipped(fleet, decided["rule"], "budget") > before
        )
    )


def spent(fleet: Fleet) -> float:
    """What all shadows that the log tells of have used."""
    lines = fleet.lines("shadow", rule="poor")
    return float(sum(line["input_tokens"][1] + line["output_tokens"][1] for line in lines))


@pytest.mark.thorough
def test_a_shadow_that_may_cost_more_than_is_left_is_not_sent(fleet):
    """It could cost 200 and its prompt, and costs 20 once it is answered."""
    before = skipped(fleet, "poor", "budget")
    last = spend(fleet)

    estimate = 200 + len(last.request.content) / 3
    assert len(fleet.lines("shadow", rule="poor")) > 1
    assert spent(fleet) <= 300 < spent(fleet) + estimate
    assert skipped(fleet, "poor", "budget") - before == 1


def test_a_control_costs_as_much_again(fleet):
    for case, sent in [("twice-as-much", 1), ("with-control", 0)]:
        before = skipped(fleet, case, "budget")
        answer = fleet.ask(case, max_tokens_to_sample=300)
        wait_for_shadow(fleet, answer, before)

        assert len(fleet.lines("shadow", id=fleet.record(answer)["id"])) == sent


def written_down(fleet: Fleet, rule_name: str = "poor") -> float:
    """What workers have told each other of what they spent."""
    notes = [json.loads(path.read_text()) for path in fleet.state_dir.glob("*/budget/[!.]*")]
    return float(sum(note["tokens"].get(rule_name, 0) for note in notes))


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_two_workers_have_one_budget(tmp_path):
    rich = rule("rich", 'action = "translate"', 'shadow = "translate"')
    with running_fleet(tmp_path, POOR + rich, workers=2) as fleet:
        one, other = fleet.both_workers()
        first = fleet.only(one)
        spend(first)
        used = spent(fleet)
        wait_for(lambda: written_down(fleet) == pytest.approx(used))
        second = fleet.only(other)
        second.ask("rich")
        wait_for(lambda: written_down(fleet, "rich"))  # and then it reads what others wrote
        before = skipped(second, "poor", "budget")
        second.ask("poor")

        assert skipped(second, "poor", "budget") - before == 1
        assert spent(fleet) == used


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_a_budget_is_for_the_day_whatever_is_started_again(tmp_path):
    with running_fleet(tmp_path, POOR) as fleet:
        spend(fleet)
        wait_for(lambda: written_down(fleet) == pytest.approx(spent(fleet)))
    with running_fleet(tmp_path, POOR) as again:
        again.ask("poor")

        assert skipped(again, "poor", "budget") == 1
