"""What a replay would ask, by the rules of today rather than by those of then."""

from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.config.build import build_runtime_config, digester_of
from proxy.config.sources import load_settings
from proxy.replay import Forecast, ModelForecast, forecast
from proxy.traffic.store.replay_results import RemainingExchange
from tests.record_factory import record

NOW = datetime(2026, 11, 29, tzinfo=UTC)
OPUS, HAIKU, OLD = "claude-opus-4-8", "claude-haiku-4-5", "claude-sonnet-4-6"
DIGEST = "0123456789abcdef"


def left(number: int = 1, **fields: Any) -> RemainingExchange:
    return RemainingExchange(
        record=record(**{"id": f"req_{number:024}", "asked_model": OLD} | fields),
        input_tokens=10,
        output_tokens=2,
        most_output_tokens=100,
    )


def expected(*remaining: RemainingExchange, **settings: Any) -> Forecast:
    read = load_settings(**settings)
    return forecast(remaining, build_runtime_config(read, digester_of(read)), NOW)


def models(*remaining: RemainingExchange, **settings: Any) -> dict[str | None, int]:
    found = expected(*remaining, **settings)
    return {each.model: each.requests for each in found.models} | (
        {"refused": found.refused} if found.refused else {}
    )


def rule(action: str = "translate", **fields: Any) -> dict[str, Any]:
    return {"name": "a", "action": action} | fields


def test_requests_are_counted_by_model_with_the_busiest_first():
    found = expected(left(1), left(2, asked_model=HAIKU), left(3, asked_model=HAIKU))

    assert found == Forecast(
        (ModelForecast(HAIKU, 2, 20, 4, 600), ModelForecast(OLD, 1, 10, 2, 300)), 0
    )
    assert found.requests == 3


@pytest.mark.parametrize(
    ("fields", "settings", "model"),
    [
        # What the record was sent to then does not matter.
        ({"sent_model": HAIKU}, {}, OLD),
        ({"sent_model": None, "route": "forward"}, {}, OLD),
        ({"asked_model": "claude-2.1"}, {}, OPUS),
        ({}, {"models": {"claude-*": HAIKU}}, HAIKU),
        ({}, {"rollout": [rule(model=HAIKU)]}, HAIKU),
        ({}, {"rollout": [rule(model=HAIKU, match={"model": "claude-2*"})]}, OLD),
        ({}, {"rollout": [rule(model=HAIKU, match={"streamed": True})]}, OLD),
        ({"streamed": True}, {"rollout": [rule(model=HAIKU, match={"streamed": True})]}, HAIKU),
        ({}, {"rollout": [rule(model=HAIKU, match={"user_agent": "python-*"})]}, HAIKU),
        ({}, {"rollout_override": {"action": "translate", "model": HAIKU}}, HAIKU),
        (
            {},
            {"digest_key": "k", "rollout": [rule(model=HAIKU, match={"caller": DIGEST})]},
            HAIKU,
        ),
        (
            {},
            {
                "digest_key": "k",
                "callers": {"ads": {"digest": DIGEST}},
                "rollout": [rule(model=HAIKU, match={"caller": "ads"})],
            },
            HAIKU,
        ),
        (
            {"asked_model": OPUS, "features": ("prefill",)},
            {"prefill": "reroute", "prefill_model": HAIKU},
            HAIKU,
        ),
        ({"asked_model": OPUS}, {"prefill": "reroute", "prefill_model": HAIKU}, OPUS),
        ({}, {"rollout": [rule("forward")], "legacy_url": "http://127.0.0.1:9"}, None),
        ({}, {"rollout": [rule("refuse")]}, "refused"),
        ({"asked_model": "claude-2"}, {"refuse": ["replace_retired_model"]}, "refused"),
        ({"asked_model": None}, {}, "refused"),
    ],
)
def test_the_model_is_the_one_that_the_rules_now_lead_to(fields, settings, model):
    assert models(left(**fields), **settings) == {model: 1}


@pytest.mark.parametrize(
    ("fields", "settings", "most"),
    [
        ({}, {}, 300),
        ({"asked_model": HAIKU, "max_tokens": 10**6}, {}, 64_000),  # cap_max_tokens
        ({"asked_model": "claude-fable-5"}, {}, 300 + 4096),  # add_thinking_headroom
        ({}, {"rollout": [rule("forward")], "legacy_url": "http://127.0.0.1:9"}, 100),
    ],
)
def test_the_longest_answer_is_what_the_request_will_allow_as_it_is_sent(fields, settings, most):
    [found] = expected(left(**fields), **settings).models

    assert found.most_output_tokens == most


@pytest.mark.parametrize("by", ["prompt", "random", "user_id"])
def test_a_share_that_no_record_tells_is_split_over_all_of_them(by):
    remaining = [left(number, features=("metadata",)) for number in range(400)]
    found = models(*remaining, rollout=[rule(model=HAIKU, share=25, by=by)])

    assert found[HAIKU] + found[OLD] == 400
    assert 70 <= found[HAIKU] <= 130


@pytest.mark.parametrize("by", ["caller", "user_id"])
def test_a_caller_is_inside_of_a_share_or_outside_with_all_its_requests(by):
    """So it is where requests have no user id."""
    remaining = [left(number) for number in range(50)]

    assert list(models(*remaining, rollout=[rule(share=50, model=HAIKU, by=by)]).values()) == [50]
