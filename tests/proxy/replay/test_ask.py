"""One recorded request, asked again: by which rule, with which key, and what comes of it."""

import json
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from proxy.security.redaction import Redacted
from proxy.simulator import create_simulator
from proxy.traffic import MadeAdjustment
from proxy.traffic.store.replay_results import RecordedExchange
from tests.proxy.replay.harness import COMPLETION, MESSAGE, Scripted, ask, recorded
from tests.servers import serving

TOKEN = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
NOWHERE = "http://127.0.0.1:9"


BROKEN: Any = None


def damaged(**parts: Any) -> RecordedExchange:
    return msgspec.structs.replace(recorded(), **parts)


def rule(action: str, **fields: Any) -> dict[str, Any]:
    return {"name": action, "action": action} | fields


@pytest.mark.parametrize("stream", [True, False])
def test_a_new_answer_is_compared_with_the_recorded_one(stream):
    trimmed = MadeAdjustment("trim_prefill", *map(Redacted, ("prompt", "a ", "a")))
    with serving(create_simulator()) as url:
        [result] = ask(url, recorded(stream=stream, adjustments=(trimmed, trimmed)))

    assert result.id == "req_000000000000000000000001"
    assert result.failure is None
    assert result.comparison is not None
    assert {**result.comparison, "milliseconds": None, "similarity": None} == {
        "equal": False,
        "similarity": None,
        "same_stop_reason": True,
        "stop_reasons": ("stop_sequence", "stop_sequence"),
        "characters": (3, 76),
        "milliseconds": None,
        "models": ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        "input_tokens": (6, result.comparison["input_tokens"][1]),
        "output_tokens": (14, result.comparison["output_tokens"][1]),
        "adjustments": (("trim_prefill",), ()),
    }
    assert result.comparison["milliseconds"][0] == 6
    assert 0 < result.comparison["similarity"] < 1
    used = result.comparison["input_tokens"][1] + result.comparison["output_tokens"][1]
    assert result.tokens == used > 0


def test_the_same_answer_is_equal():
    with serving(Scripted()) as url:
        [result] = ask(url, recorded())

    assert result.comparison is not None
    assert result.comparison["equal"]


@pytest.mark.parametrize(
    ("action", "events"),
    [
        (
            "translate",
            [
                {"type": "message_start", "message": MESSAGE},
                {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi"}},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
                {"type": "message_stop"},
            ],
        ),
        ("forward", [COMPLETION | {"stop_reason": None}, COMPLETION | {"completion": ""}]),
    ],
)
def test_a_stream_is_known_by_its_first_line_whatever_its_content_type(action, events):
    said = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    with serving(Scripted(answer=said)) as url:
        rules: dict[str, Any] = {"legacy_url": url, "legacy_key": "k", "rollout": [rule(action)]}
        [result] = ask(url, recorded(), **rules)

    assert result.comparison is not None, result.failure
    assert result.comparison["equal"]


def test_new_answers_are_redacted_as_the_recorded_ones_were():
    answer = MESSAGE | {"content": [{"type": "text", "text": "Write to jo@example.org"}]}
    with serving(Scripted(answer=answer)) as url:
        [result] = ask(url, recorded({**COMPLETION, "completion": " Write to [email]"}))

    assert result.comparison is not None
    assert result.comparison["equal"]


def test_what_a_legacy_upstream_says_of_itself_is_redacted_too():
    rollout = [rule("forward")]
    with serving(Scripted(answer=COMPLETION | {"stop_reason": "jo@example.org"})) as url:
        [result] = ask(NOWHERE, recorded(), rollout=rollout, legacy_url=url, legacy_key="its")

    assert result.comparison is not None
    assert result.comparison["stop_reasons"] == ("stop_sequence", "[email]")


@pytest.mark.parametrize(
    ("match", "fields"),
    [
        ({"caller": "batch"}, {"caller_name": "batch"}),
        ({"caller": "0123*"}, {}),
        ({"key": "0123456789abcdef"}, {}),
        ({"user_agent": "python-requests/*"}, {}),
        ({"anthropic_version": "2023-06-01"}, {}),
        ({"anthropic_version": "none"}, {"version": None}),
        ({"model": "claude-2*"}, {"model": "claude-2.1"}),
        ({"streamed": True}, {"stream": True}),
    ],
)
def test_rules_see_what_was_recorded(match, fields):
    callers = {"batch": {"token": TOKEN}}
    rollout = [rule("refuse", match=match)]
    with serving(Scripted()) as url:
        hit, missed = ask(
            url,
            recorded(**fields),
            recorded(caller="f", user_agent=None, version="2023-01-01"),
            rollout=rollout,
            callers=callers,
            digest_key="k",
        )

    assert (hit.failure, hit.tokens) == ("refused by a rule", 0)
    assert missed.failure is None


def test_a_caller_stays_in_the_share_that_it_is_in():
    rollout = [rule("refuse", share=50)]
    named = [recorded(caller_name=f"c{number}") for number in range(20)]
    with serving(Scripted()) as url:
        once = [each.failure for each in ask(url, *named, rollout=rollout)]
        again = [each.failure for each in ask(url, *named, rollout=rollout)]

    assert once == again
    assert set(once) == {None, "refused by a rule"}


def test_forwarded_requests_go_as_they_came_to_the_legacy_upstream():
    legacy, rollout = Scripted(answer=COMPLETION), [rule("forward")]
    with serving(legacy) as legacy_url:
        settings: dict[str, Any] = {"legacy_url": legacy_url, "legacy_key": "of-legacy"}
        [result] = ask(NOWHERE, recorded(), key=b"of-messages", rollout=rollout, **settings)

    [(path, headers, _)] = legacy.received
    assert path == "/v1/complete"
    assert headers["user-agent"] == "python-requests/2.31.0"
    assert headers["anthropic-version"] == "2023-06-01"
    assert headers["content-type"] == "application/json"
    assert headers["x-api-key"] == "of-legacy"
    assert result.comparison is not None
    assert result.comparison["equal"]
    assert result.tokens == 20  # as estimated: nobody counts there


@pytest.mark.parametrize(
    ("fields", "settings", "key", "sent"),
    [
        ({}, {}, b"mine", "mine"),
        ({}, {"upstream_key": "server"}, b"mine", "server"),
        ({"caller_name": "batch"}, {"upstream_key": "server"}, b"mine", "its-own"),
        ({"caller_name": "gone"}, {"upstream_key": "server"}, b"mine", "server"),
        ({"caller_name": "batch"}, {}, None, "its-own"),
    ],
)
def test_the_key_is_the_operators(fields, settings, key, sent):
    upstream = Scripted()
    callers = {"batch": {"token": TOKEN, "upstream_key": "its-own"}}
    with serving(upstream) as url:
        ask(url, recorded(**fields), key=key, callers=callers, **settings)

    [(_, headers, _)] = upstream.received
    assert headers["x-api-key"] == sent


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_not_tried_again_and_costs_nothing(status):
    upstream = Scripted(*[(status, {})] * 9)
    with serving(upstream) as url:
        [result] = ask(url, recorded())

    assert (result.failure, result.comparison, result.tokens) == ("key refused", None, 0)
    assert len(upstream.received) == 1


def test_the_key_of_one_upstream_is_not_sent_to_the_other():
    legacy, rollout = Scripted(answer=COMPLETION), [rule("forward")]
    with serving(legacy) as legacy_url:
        [result] = ask(NOWHERE, recorded(), key=b"mine", rollout=rollout, legacy_url=legacy_url)

    assert (result.failure, legacy.received) == ("no key", [])


def test_without_a_key_nothing_is_sent():
    upstream = Scripted()
    with serving(upstream) as url:
        [result] = ask(url, recorded(), key=None)

    assert (result.failure, result.tokens) == ("no key", 0)
    assert upstream.received == []


@pytest.mark.parametrize("status", [429, 500, 529])
def test_what_may_pass_is_tried_again(status):
    upstream = Scripted((status, {"retry-after": "0"}), (status, {}))
    with serving(upstream) as url:
        [result] = ask(url, recorded())

    assert result.comparison is not None
    assert len(upstream.received) == 3


@pytest.mark.parametrize(("status", "tries"), [(429, 3), (503, 3), (400, 1), (404, 1)])
def test_errors_are_results(status, tries):
    upstream = Scripted(*[(status, {})] * 9)
    with serving(upstream) as url:
        [result] = ask(url, recorded())

    assert (result.failure, result.comparison, result.tokens) == (f"status {status}", None, 0)
    assert len(upstream.received) == tries


def test_an_upstream_that_is_not_there_is_a_result():
    [result] = ask(NOWHERE, recorded())

    assert (result.failure, result.tokens) == ("unreachable", 0)


@pytest.mark.parametrize("action", ["translate", "forward"])
@pytest.mark.parametrize(
    ("given", "failure"),
    [
        (recorded(request=b"{"), "not readable"),
        (recorded(request=b'{"model": 1}'), "not readable"),
        (damaged(legacy_in=b"?"), "not readable"),
        (damaged(legacy_back=b"?"), "nothing to compare with"),
        (recorded({"completion": "without its end"}), "nothing to compare with"),
    ],
)
def test_what_cannot_be_read_or_compared_is_not_sent(given, failure, action):
    upstream = Scripted()
    with serving(upstream) as url:
        [result] = ask(url, given, rollout=[rule(action)], legacy_url=url)

    assert (result.failure, result.tokens) == (failure, 0)
    assert upstream.received == []


def test_what_cannot_be_translated_is_not_sent():
    upstream = Scripted()
    with serving(upstream) as url:
        [result] = ask(url, recorded(version="2020-01-01"))

    assert (result.failure, result.tokens) == ("not translatable", 0)
    assert upstream.received == []


def test_what_was_answered_in_vain_has_cost_something():
    with serving(Scripted(answer={"type": "message"})) as url:
        [result] = ask(url, recorded())

    assert (result.failure, result.tokens) == ("no whole answer", 20)


def test_a_bug_of_ours_costs_one_request_and_ends_nothing():
    with serving(Scripted()) as url, capture_logs() as logged:
        record = msgspec.structs.replace(recorded().record, total_ms=BROKEN)
        broken, whole = ask(url, damaged(record=record), recorded())

    assert (broken.failure, broken.tokens) == ("crashed", 20)
    assert whole.failure is None
    assert "replay_crashed" in [line["event"] for line in logged]


def test_what_is_sent_is_the_text_that_was_kept():
    upstream = Scripted()
    with serving(upstream) as url:
        ask(url, recorded(prompt="\n\nHuman: Mail [email]\n\nAssistant:"))

    [(path, headers, body)] = upstream.received
    assert path == "/v1/messages"
    assert headers["user-agent"].startswith("holdover/")
    assert json.loads(body)["messages"] == [{"role": "user", "content": "Mail [email]"}]
