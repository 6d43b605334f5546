"""What callers are told of the end: refusals, brown-outs, the sunset, and headers before that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.fleet import Fleet, running_fleet

pytestmark = pytest.mark.unmeasured

NOW = datetime.now(UTC).replace(microsecond=0)


def moment(**ago: float) -> str:
    return (NOW - timedelta(**ago)).isoformat().replace("+00:00", "Z")


ANNOUNCED = """
deprecated = 2025-01-01
sunset = 2099-11-01T12:00:00+02:00
link = "https://example.com/moving"
"""
RULES = f"""
[[rollout]]
name = "refused"
action = "refuse"
match = {{ header = {{ x-case = "refused" }} }}
campaign = {{ link = "https://example.com/gone" }}

[[rollout]]
name = "announced"
action = "translate"
match = {{ header = {{ x-case = "announced" }} }}
[rollout.campaign]
{ANNOUNCED}

[[rollout]]
name = "announced-and-forwarded"
action = "forward"
match = {{ header = {{ x-case = "forwarded" }} }}
[rollout.campaign]
{ANNOUNCED}

[[rollout]]
name = "only-a-link"
action = "translate"
match = {{ header = {{ x-case = "link" }} }}
campaign = {{ link = "https://example.com/moving" }}

[[rollout]]
name = "browned-out"
action = "translate"
match = {{ header = {{ x-case = "dark" }} }}
[rollout.campaign]
sunset = 2099-11-01
brown-outs = [{{ start = {moment(days=3, minutes=1)}, minutes = 120, every = "day" }}]

[[rollout]]
name = "not-now"
action = "translate"
match = {{ header = {{ x-case = "bright" }} }}
[rollout.campaign]
brown-outs = [
  {{ start = {moment(hours=3)}, minutes = 60, every = "day" }},
  {{ start = {moment(days=14)}, minutes = 120, every = "week", until = {moment(days=7)} }},
  {{ start = 2099-01-01, minutes = 60 }},
]

[[rollout]]
name = "refused-in-the-dark"
action = "refuse"
match = {{ header = {{ x-case = "dark-only" }} }}
campaign = {{ brown-outs = [{{ start = {moment(hours=1)}, minutes = 120 }}] }}

[[rollout]]
name = "refused-later"
action = "refuse"
match = {{ header = {{ x-case = "later" }} }}
campaign = {{ brown-outs = [{{ start = 2099-01-01, minutes = 120 }}] }}

[[rollout]]
name = "after-that"
action = "forward"
match = {{ header = {{ x-case = "later" }} }}

[[rollout]]
name = "over"
action = "translate"
match = {{ header = {{ x-case = "over" }} }}
[rollout.campaign]
sunset = {moment(days=40)}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), RULES, workers=2) as running:
        yield running


def told(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, type and message of an error, in the legacy envelope and no other."""
    assert answer.headers["content-type"] == "application/json"
    content = answer.json()
    assert set(content) == {"type", "error", "request_id"}
    assert (content["type"], set(content["error"])) == ("error", {"type", "message"})
    assert content["request_id"] == answer.headers["request-id"]
    return answer.status_code, content["error"]["type"], content["error"]["message"]


def decided(fleet: Fleet, answer: httpx.Response) -> tuple[Any, ...]:
    line = fleet.record(answer)
    return tuple(line[name] for name in ("route", "rule", "why", "status", "blame"))


@pytest.mark.one_in(4)
@pytest.mark.parametrize("model", ["claude-2.1", "claude-instant-1", "claude-haiku-4-5"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("version", ["2023-06-01", ...])
def test_a_refusal_names_the_model_to_move_to(fleet: Fleet, model: str, stream: bool, version: Any):
    headers = {"anthropic-version": version}
    answer = fleet.post(headers | {"x-case": "refused"}, model=model, stream=stream)
    successor = fleet.record(fleet.post(headers, model=model))["sent_model"]

    assert told(answer) == (
        *(410, "not_found_error"),
        "POST /v1/complete is no longer served here. Use the Messages API (POST /v1/messages)"
        f" with {successor} instead. See https://example.com/gone",
    )
    assert answer.headers["holdover-rule"] == "refused"
    assert decided(fleet, answer) == ("refuse", "refused", "rule", 410, "nobody")
    with pytest.raises(ValueError, match="not enough values"):
        fleet.upstream_request(answer)


def test_what_cannot_be_read_is_refused_too(fleet: Fleet):
    answer = fleet.post({"x-case": "refused"}, content=b"{")

    assert answer.status_code == 410
    assert "with a current model instead" in answer.json()["error"]["message"]


DEPRECATION, SUNSET = "@1735689600", "Sun, 01 Nov 2099 10:00:00 GMT"
LINK = '<https://example.com/moving>; rel="deprecation", <https://example.com/moving>; rel="sunset"'


@pytest.mark.parametrize("case", ["announced", "forwarded"])
@pytest.mark.parametrize(
    ("headers", "fields", "status"),
    [
        ({}, {}, 200),
        ({"anthropic-version": ...}, {}, 200),
        ({}, {"stream": True}, 200),
        ({"anthropic-version": ...}, {"stream": True}, 200),
        ({"simulate-error": "429"}, {}, 429),
        ({"simulate-error": "529"}, {"stream": True}, 529),
        ({"simulate-error": "500", "simulate-error-shape": "html"}, {}, 500),
        ({}, {"prompt": [5]}, 400),
        ({"anthropic-version": "1999-01-01"}, {}, 400),
    ],
)
def test_every_answer_of_a_campaign_announces_the_end(
    fleet: Fleet, case: str, headers: dict[str, Any], fields: dict[str, Any], status: int
):
    answer = fleet.post({"x-case": case} | headers, **{"model": "claude-2.1"} | fields)

    assert answer.status_code == status
    assert answer.headers["deprecation"] == DEPRECATION
    assert answer.headers["sunset"] == SUNSET
    assert answer.headers["link"] == LINK


def test_only_the_callers_of_a_campaign_hear_of_it(fleet: Fleet):
    answer = fleet.post()

    assert not {"deprecation", "sunset", "link"} & set(answer.headers)


def test_a_link_alone_is_about_the_deprecation(fleet: Fleet):
    answer = fleet.post({"x-case": "link"})

    assert answer.headers["link"] == '<https://example.com/moving>; rel="deprecation"'
    assert not {"deprecation", "sunset"} & set(answer.headers)


def test_a_brown_out_refuses_until_it_ends(fleet: Fleet):
    answer = fleet.post({"x-case": "dark"}, model="claude-2.1")
    ends = NOW + timedelta(minutes=119)

    status, kind, message = told(answer)
    assert (status, kind) == (410, "not_found_error")
    assert message.startswith(
        f"POST /v1/complete is switched off until {ends:%Y-%m-%d %H:%M} UTC;"
        " it ends for good on 2099-11-01. Use the Messages API"
    )
    assert answer.headers["sunset"] == "Sun, 01 Nov 2099 00:00:00 GMT"
    assert decided(fleet, answer) == ("refuse", "browned-out", "brown_out", 410, "nobody")


def test_between_brown_outs_requests_are_answered(fleet: Fleet):
    answer = fleet.post({"x-case": "bright"})

    assert decided(fleet, answer) == ("translate", "not-now", "rule", 200, "nobody")


def test_a_rule_that_refuses_in_brown_outs_leaves_the_rest_to_the_next(fleet: Fleet):
    dark, bright = fleet.post({"x-case": "dark-only"}), fleet.post({"x-case": "later"})

    assert decided(fleet, dark)[1:4] == ("refused-in-the-dark", "brown_out", 410)
    assert bright.headers["holdover-rule"] == "after-that"


def test_after_the_sunset_requests_are_refused_for_good(fleet: Fleet):
    answer = fleet.post({"x-case": "over"}, model="claude-2.1", stream=True)
    day = NOW - timedelta(days=40)

    assert told(answer)[2].startswith(f"POST /v1/complete ended here on {day:%Y-%m-%d}. Use the ")
    assert decided(fleet, answer) == ("refuse", "over", "sunset", 410, "nobody")


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("override", "route", "status"),
    [
        ('rollout-override = "forward"', "forward", 200),
        ('rollout_override = { action = "refuse" }', "refuse", 410),
        ('[rollout-override]\naction = "translate"\nmodel = "claude-opus-4-8"', "translate", 200),
    ],
)
def test_an_override_decides_about_everything_whatever_the_rules_say(
    fleet: Fleet, override: str, route: str, status: int
):
    try:
        fleet.follow(RULES, override)
        answers = [
            fleet.post({"x-case": case}, model="claude-2.1")
            for case in ("refused", "dark", "over", "announced", "none")
        ]
        decisions = {decided(fleet, answer)[:4] for answer in answers}
        says = {ready["override"] for ready in fleet.ready().values()}
    finally:
        fleet.follow(RULES)

    assert decisions == {(route, None, "override", status)}
    assert says == {route}
    assert not any({"holdover-rule", "sunset"} & set(answer.headers) for answer in answers)
