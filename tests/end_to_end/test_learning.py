"""A table that is wrong about a model, and an upstream that says so."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.harness import (
    ADMIN,
    ADMIN_TOKEN,
    KEY,
    PROMPT,
    V2,
    ProxyUnderTest,
    body,
    running_proxy,
    text_of,
)
from tests.servers import fetch

WRONG: dict[str, Any] = {
    "claude-opus-4-8": {"prefill": True, "sampling": "all", "max_output_tokens": 1_000_000},
    "claude-sonnet-5-5": {"thinking": "on"},
    "claude-fable-5": {"thinking": "on"},
    "claude-haiku-4-5": {"sampling": "all", "thinking": "always"},
}


@pytest.fixture
def misled() -> Iterator[ProxyUnderTest]:
    """A proxy whose operator believes models to take what they refuse."""
    with running_proxy(model_facts=WRONG, admin_token=ADMIN_TOKEN) as holdover:
        yield holdover


def adjustments(answer: httpx.Response) -> list[str]:
    return answer.headers["holdover-adjustments"].split(", ")


def tries(holdover: ProxyUnderTest) -> int:
    return len(holdover.received())


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("fields", "lesson", "consequence"),
    [
        ({"prompt": PROMPT + " I"}, "prefill=no", "continue_prefill"),
        ({"temperature": 0.5}, "sampling=none", "drop_temperature"),
        ({"top_k": 5}, "sampling=none", "drop_top_k"),
        (
            {"max_tokens_to_sample": 500_000},
            "max_output_tokens=128000",
            "cap_max_tokens",
        ),
        ({"model": "claude-sonnet-5-5"}, "thinking=between_tools", "turn_off_thinking"),
        ({"model": "claude-fable-5"}, "thinking=always", "lower_effort"),
        (
            {"model": "claude-haiku-4-5", "temperature": 0.5, "top_p": 0.5},
            "sampling=one_of, thinking=off",
            "drop_top_p",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_in_known_words_is_learnt_from_and_never_seen(
    misled: ProxyUnderTest, fields: dict[str, Any], lesson: str, consequence: str, stream: bool
):
    fields = {"model": "claude-opus-4-8"} | fields

    first = misled.complete(stream=stream, **fields)
    tries_for_the_first = tries(misled)
    second = misled.complete(stream=stream, **fields)

    assert (first.status_code, second.status_code) == (200, 200), first.text
    assert adjustments(first) == adjustments(second)
    assert {"apply_lesson", consequence} <= set(adjustments(first))
    assert tries_for_the_first == 2 + lesson.count(",")
    assert tries(misled) == tries_for_the_first + 1
    learnt = fetch("GET", f"{misled.url}/holdover/lessons", headers=ADMIN).json()["lessons"]
    assert [one["learnt"] for one in learnt] == [lesson]


def test_several_wrong_beliefs_are_corrected_in_one_exchange(misled: ProxyUnderTest):
    answer = misled.complete(
        model="claude-opus-4-8", prompt=PROMPT + " I", temperature=0.5, top_k=3
    )

    assert answer.status_code == 200
    assert tries(misled) == 3


def test_an_unknown_refusal_is_passed_on_after_one_try(misled: ProxyUnderTest):
    manner = {"simulate-error": "400", "simulate-error-message": '"max_tokens: no, because"'}

    answer = misled.complete(model="claude-opus-4-7", headers=manner)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "max_tokens_to_sample: no, because"
    assert tries(misled) == 1


@pytest.mark.parametrize(("asked", "times"), [({"temperature": 0.5}, 2), ({}, 1)])
def test_a_refusal_that_goes_on_whatever_is_changed_is_passed_on(
    misled: ProxyUnderTest, asked: dict[str, Any], times: int
):
    """And the same request is not asked again, if what it teaches changes nothing."""
    text = '"`temperature` is deprecated for this model."'
    manner = {"simulate-error": "400", "simulate-error-message": text}

    answer = misled.complete(model="claude-opus-4-8", headers=manner, **asked)

    assert answer.status_code == 400
    assert tries(misled) == times


def test_a_lesson_expires():
    with running_proxy(model_facts=WRONG, lesson_seconds=0.05) as forgetful:
        taught = asked = 0
        while taught < 2 and asked < 200:
            assert forgetful.complete(model="claude-opus-4-8", top_k=5).status_code == 200
            asked += 1
            taught = tries(forgetful) - asked

        assert taught >= 2


def test_refused_adjustments_are_errors_that_say_what_to_change():
    with running_proxy(refuse=["drop_top_p", "replace_retired_model"]) as particular:
        dropped = particular.complete(model="claude-opus-4-8", top_p=0.5)
        retired = particular.complete(model="claude-2", stream=True)
        fine = particular.complete()

        assert tries(particular) == 1
    assert dropped.status_code == retired.status_code == 400
    assert dropped.json()["error"] == {
        "type": "invalid_request_error",
        "message": "top_p: The model takes no `top_p`, or none together with `temperature`; "
        "it was left out. Such requests are refused here (drop_top_p). Leave out `top_p`.",
    }
    assert "Ask for a model that is served today." in retired.json()["error"]["message"]
    assert fine.status_code == 200


def test_refusals_are_completions_unless_an_operator_wants_errors():
    manner = {"simulate-stop-reason": "refusal", "simulate-pings": "0"}
    with running_proxy(refusal="error") as stern, running_proxy() as mild:
        whole = stern.complete(headers=manner)
        streamed = stern.complete(stream=True, headers=manner | {"simulate-empty": "1"})
        late = stern.stream(headers=V2 | manner)
        told = mild.complete(headers=manner)

    assert whole.status_code == streamed.status_code == 400
    assert whole.json()["error"]["type"] == "invalid_request_error"
    assert b"event: error" in late
    assert text_of(late)
    assert told.json()["stop_reason"] == "stop_sequence"


def test_admin_pages_need_their_token(misled: ProxyUnderTest):
    explain = f"{misled.url}/holdover/explain"
    request = body(model="claude-2", top_k=-1)

    plan = fetch("POST", explain, json=request, headers=ADMIN).json()
    code = fetch("POST", explain, params={"code": "python"}, json=request, headers=ADMIN)
    errors = [
        fetch("POST", explain, json=request),
        fetch("POST", explain, json=request, headers={"authorization": "Bearer admin-2"}),
        fetch("POST", explain, params={"code": "cobol"}, json=request, headers=ADMIN),
        fetch("POST", explain, json={}, headers=ADMIN),
        fetch("POST", explain, content=b"{}", headers=ADMIN | {"content-encoding": "br"}),
        fetch("GET", f"{misled.url}/holdover/nothing", headers=ADMIN),
    ]

    assert plan["request"]["model"] == "claude-opus-4-8"
    assert plan["adjustments"][-1] == {
        "kind": "drop_no_effect_value",
        "field": "top_k",
        "asked": "-1",
        "sent": "nothing",
        "why": plan["adjustments"][-1]["why"],
        "remedy": "Leave the field out.",
    }
    assert code.text.startswith("# model: claude-2 -> claude-opus-4-8.")
    assert "\nimport anthropic\n" in code.text
    assert [answer.status_code for answer in errors] == [401, 401, 400, 400, 400, 404]
    assert {answer.json()["type"] for answer in errors} == {"error"}
    assert tries(misled) == 0


def test_code_for_a_long_request_is_left_to_the_command(misled: ProxyUnderTest):
    request, explain = body(prompt=PROMPT + "x" * 200_000), f"{misled.url}/holdover/explain"

    code = fetch("POST", explain, params={"code": "python"}, json=request, headers=ADMIN)
    plan = fetch("POST", explain, json=request, headers=ADMIN)

    assert code.status_code == 413
    assert "run `holdover explain --code`" in code.json()["error"]["message"]
    assert plan.status_code == 200


def test_without_a_token_the_admin_pages_do_not_exist(holdover: ProxyUnderTest):
    before = len(holdover.received())

    for path in ["explain", "lessons", "anything"]:
        answer = fetch("POST", f"{holdover.url}/holdover/{path}", json=body(), headers=KEY)
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")

    assert len(holdover.received()) == before


def test_a_lesson_does_not_concern_those_whom_it_does_not_change():
    facts = {"claude-opus-4-8": {"max_output_tokens": 1_000_000}}
    with running_proxy(model_facts=facts, refuse=["apply_lesson"]) as holdover:
        answers = [
            holdover.complete(model="claude-opus-4-8", max_tokens_to_sample=tokens)
            for tokens in (10, 500_000, 10)
        ]

    assert [one.status_code for one in answers] == [200, 400, 200]
