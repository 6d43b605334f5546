from datetime import UTC, datetime, timedelta, timezone

import pytest

from proxy.exchange.gone_message import gone_message
from proxy.rollout import Decision, DecisionReason, Route, Rule
from proxy.rollout.rule_schema import Campaign, Match
from translators import KNOWN_MODELS, CompletionRequest, Policy

TODAY = "2026-09-01"
REFUSE = Route(action="refuse", policy=Policy())
NOON = datetime(2026, 9, 1, 12, 30, tzinfo=UTC)
SUNSET = datetime(2026, 12, 31, tzinfo=UTC)
LINK = "https://example.com/move"


def refused(why, *, asked="claude-2", ends=None, **campaign):
    rule = Rule(
        name="r",
        match=Match(),
        share=10_000,
        by="caller",
        route=REFUSE,
        on_failure=None,
        shadow=None,
        guard=None,
        campaign=Campaign(**campaign),
        capture="off",
    )
    decision = Decision(
        action="refuse",
        route=REFUSE,
        why=why,
        rule=None if why is DecisionReason.OVERRIDE else rule,
        ends=ends,
    )
    request = CompletionRequest(model=asked, prompt="", max_tokens_to_sample=1) if asked else None
    return gone_message(decision, request, KNOWN_MODELS, TODAY)


USE = "Use the Messages API (POST /v1/messages) with {} instead."


@pytest.mark.parametrize(
    ("why", "fields", "fact"),
    [
        (DecisionReason.RULE, {}, "POST /v1/complete is no longer served here."),
        (DecisionReason.RULE, {"sunset": SUNSET}, "POST /v1/complete is no longer served here."),
        (DecisionReason.OVERRIDE, {}, "POST /v1/complete is no longer served here."),
        (DecisionReason.SUNSET, {"sunset": SUNSET}, "POST /v1/complete ended here on 2026-12-31."),
        (
            DecisionReason.BROWN_OUT,
            {"ends": NOON},
            "POST /v1/complete is switched off until 2026-09-01 12:30 UTC.",
        ),
        (
            DecisionReason.BROWN_OUT,
            {"ends": NOON.astimezone(timezone(timedelta(hours=2)))},
            "POST /v1/complete is switched off until 2026-09-01 14:30 UTC+02:00.",
        ),
        (
            DecisionReason.BROWN_OUT,
            {"ends": NOON, "sunset": SUNSET},
            "POST /v1/complete is switched off until 2026-09-01 12:30 UTC;"
            " it ends for good on 2026-12-31.",
        ),
    ],
)
def test_a_refusal_says_since_when_or_until_when_and_what_to_call(why, fields, fact):
    assert refused(why, **fields) == f"{fact} {USE.format('claude-opus-4-8')}"


@pytest.mark.parametrize(
    ("asked", "successor"),
    [
        ("claude-instant-1.2", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5", "claude-haiku-4-5"),
        ("nobody-knows", "nobody-knows"),
        (None, "a current model"),
    ],
)
def test_a_refusal_names_the_model_to_move_to(asked, successor):
    assert refused(DecisionReason.RULE, asked=asked).endswith(USE.format(successor))


def test_a_refusal_says_where_to_read_on():
    assert refused(DecisionReason.RULE, link=LINK).endswith(f"instead. See {LINK}")
