from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from proxy.rollout import (
    Decision,
    DecisionReason,
    Question,
    Rollout,
    Route,
    Rule,
    bucket_of,
    buckets_in_steps,
    decide,
    objections,
)
from proxy.rollout.bucketing import bucket
from proxy.rollout.rule_schema import BASIS_POINTS, BrownOut, Campaign, Match
from proxy.security.credentials import Credential
from proxy.security.keyring import Caller, Destination
from proxy.security.redaction import CallerDigest, Digester
from translators import STEP_SIZE, CompletionRequest, Policy, completed
from translators.wire.completion_requests import CompletionMetadata

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
TRANSLATE = Route(action="translate", policy=Policy())
FORWARD = Route(action="forward", policy=Policy())
REFUSE = Route(action="refuse", policy=Policy())
NONE = frozenset[str]()


def caller(name=None, digest="0123456789abcdef", identity=b"sk-ant-1"):
    credential = Credential(b"x-api-key", b"sk-ant-1", b"sk-ant-1")
    asked = Destination(url="http://h", credential=credential, digest=CallerDigest(digest))
    return Caller(
        name=name,
        digest=CallerDigest(digest),
        identity=identity,
        messages=asked,
        legacy=None,
        digester=Digester("test"),
    )


def request(**fields):
    given = {"model": "claude-2.1", "prompt": "\n\nHuman: Hi"} | fields
    return CompletionRequest(max_tokens_to_sample=10, **given)


def asked(*, of=None, sent=(), by=None, at=NOON, roll=lambda: 0):
    return Question(caller=by or caller(), headers=list(sent), request=of, now=at, roll=roll)


def rule(name="r", leg=FORWARD, **fields):
    defaults: dict[str, Any] = {
        **dict.fromkeys(("on_failure", "shadow", "guard")),
        "match": Match(),
        "share": BASIS_POINTS,
        "by": "caller",
        "campaign": Campaign(),
        "capture": "off",
    }
    return Rule(name=name, route=leg, **(defaults | fields))


def objection(a_rule, question, tripped=NONE):
    return next(objections(a_rule, question, tripped), None)


def decided(*rules, question=None, tripped=NONE, override=None):
    rollout = Rollout(otherwise=TRANSLATE, rules=rules, override=override)
    return decide(rollout, question or asked(of=request()), tripped)


def test_without_rules_everything_goes_by_the_settings_outside_of_them():
    assert decided() == Decision(action="translate", route=TRANSLATE, why=DecisionReason.DEFAULT)


def test_the_first_rule_that_matches_decides():
    other = rule("other", match=Match(model="claude-3-*"))
    first, second = rule("first", match=Match(model="claude-2*")), rule("second", leg=REFUSE)

    decision = decided(other, first, second)

    assert decision == Decision(
        action="forward", route=FORWARD, why=DecisionReason.RULE, rule=first
    )


def test_the_override_goes_before_all_rules():
    decision = decided(rule(leg=FORWARD), override=REFUSE)

    assert decision == Decision(action="refuse", route=REFUSE, why=DecisionReason.OVERRIDE)


SDK = [(b"user-agent", b"Anthropic/Python 0.2.10"), (b"x-team", b"search"), (b"x-team", b"ads")]


@pytest.mark.parametrize(
    ("match", "given", "reason"),
    [
        ({"model": "claude-2*"}, {}, None),
        ({"model": "claude-2"}, {}, "model 'claude-2.1' is not 'claude-2'"),
        ({"model": "Claude-2*"}, {}, "model 'claude-2.1' is not 'Claude-2*'"),
        ({"model": "*"}, {"of": None}, "there is no model"),
        ({"streamed": True}, {"of": request(stream=True)}, None),
        ({"streamed": True}, {}, "it matches only streamed requests"),
        ({"streamed": True}, {"of": None}, "it matches only streamed requests"),
        ({"streamed": False}, {}, None),
        ({"streamed": False}, {"of": request(stream=False)}, None),
        (
            {"streamed": False},
            {"of": request(stream=True)},
            "it matches only requests without a stream",
        ),
        ({"streamed": False}, {"of": None}, "it matches only requests without a stream"),
        ({"caller": "billing-*"}, {"by": caller("billing-eu")}, None),
        ({"caller": "billing"}, {"by": caller("search")}, "caller 'search' is not 'billing'"),
        ({"caller": "0123456789abcdef"}, {}, None),
        # Who has a name goes by it alone.
        (
            {"caller": "0123456789abcdef"},
            {"by": caller("search")},
            "caller 'search' is not '0123456789abcdef'",
        ),
        ({"key": "0123*"}, {"by": caller("search")}, None),
        ({"key": "4*"}, {}, "key '0123456789abcdef' is not '4*'"),
        ({"user_agent": "Anthropic/Python 0.2.*"}, {"sent": SDK}, None),
        ({"user_agent": "*"}, {}, "there is no user-agent"),
        ({"anthropic_version": "none"}, {}, None),
        ({"anthropic_version": "2023-*"}, {"sent": [(b"anthropic-version", b"2023-06-01")]}, None),
        ({"anthropic_version": "2023-*"}, {}, "anthropic-version 'none' is not '2023-*'"),
        ({"header": {"X-Team": "search, ads"}}, {"sent": SDK}, None),
        (
            {"header": {"x-team": "search"}},
            {"sent": SDK},
            "header x-team 'search, ads' is not 'search'",
        ),
        ({"header": {"x-other": "*"}}, {"sent": SDK}, "there is no header x-other"),
        ({"header": {"x-ελ": "*"}}, {"sent": SDK}, "there is no header x-ελ"),
    ],
)
def test_a_rule_matches_what_it_names_and_says_what_does_not(match, given, reason):
    question = asked(**({"of": request()} | given))

    assert objection(rule(match=Match(**match)), question) == reason


def test_a_rule_without_a_match_decides_also_about_what_cannot_be_read():
    assert decided(rule(), question=asked(of=None)).why is DecisionReason.RULE


def test_who_is_not_in_a_share_goes_on_to_the_next_rule():
    point = bucket("some", b"sk-ant-1")

    inside = decided(rule("some", share=point + 1), rule("rest"))
    outside = decided(rule("some", share=point), rule("rest"))

    assert inside.rule is not None
    assert inside.rule.name == "some"
    assert outside.rule is not None
    assert outside.rule.name == "rest"
    assert objection(rule("some", share=point), asked()) == (
        f"bucket {point} by caller is not among the first {point} of 10000"
    )


def test_a_share_of_zero_says_so():
    assert objection(rule(share=0), asked()) == "its share is zero"


@pytest.mark.parametrize("share", [BASIS_POINTS, 5_000, 0])
def test_a_tripped_guard_leaves_a_rule_nothing_whatever_its_share(share):
    reason = objection(rule("bad", share=share), asked(), frozenset({"bad"}))

    assert reason == "its guard has taken its share to zero"
    assert (
        decided(rule("bad", share=share), tripped=frozenset({"bad"})).why is DecisionReason.DEFAULT
    )


@pytest.mark.parametrize(
    ("by", "of", "identity"),
    [
        ("caller", request(), b"sk-ant-1"),
        ("prompt", request(prompt="é"), "é".encode()),
        ("prompt", None, b"sk-ant-1"),
        ("user_id", request(metadata=CompletionMetadata("u-1")), b"u-1"),
        ("user_id", request(metadata=CompletionMetadata("")), b"sk-ant-1"),
        ("user_id", request(metadata=CompletionMetadata(None)), b"sk-ant-1"),
        ("user_id", request(), b"sk-ant-1"),
        ("user_id", None, b"sk-ant-1"),
    ],
)
def test_a_share_goes_by_what_it_says_or_else_by_the_caller(by, of, identity):
    assert bucket_of(rule("r", by=by), asked(of=of)) == bucket("r", identity)


def test_a_share_by_chance_throws_the_dice_for_every_request():
    rolls = iter([4_999, 5_000])
    question = asked(roll=lambda: next(rolls))
    a_rule = rule(by="random", share=5_000)

    assert objection(a_rule, question) is None
    assert objection(a_rule, question) == (
        "bucket 5000 by random is not among the first 5000 of 10000"
    )


def test_dice_show_one_of_ten_thousand():
    question = Question(caller=caller(), headers=[], request=None, now=NOON)

    assert all(0 <= question.roll() < BASIS_POINTS for _ in range(1_000))


def test_from_its_sunset_on_a_rule_refuses():
    a_rule = rule(campaign=Campaign(sunset=NOON))

    before = decided(a_rule, question=asked(at=NOON - timedelta(seconds=1)))
    after = decided(a_rule, question=asked(at=NOON))

    assert before == Decision(action="forward", route=FORWARD, why=DecisionReason.RULE, rule=a_rule)
    assert after == Decision(action="refuse", route=FORWARD, why=DecisionReason.SUNSET, rule=a_rule)


BROWN_OUT = BrownOut(start=NOON, minutes=10)


def test_in_a_brown_out_a_rule_refuses_and_knows_until_when():
    a_rule = rule(campaign=Campaign(brown_outs=(BROWN_OUT,)))

    decision = decided(a_rule)

    ends = NOON + timedelta(minutes=10)
    assert decision == Decision(
        action="refuse", route=FORWARD, why=DecisionReason.BROWN_OUT, rule=a_rule, ends=ends
    )


def test_after_its_sunset_a_rule_refuses_for_good_also_in_a_brown_out():
    campaign = Campaign(sunset=NOON, brown_outs=(BROWN_OUT,))

    assert decided(rule(campaign=campaign)).why is DecisionReason.SUNSET


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (NOON - timedelta(seconds=1), "no brown-out is going on"),
        (NOON, None),
        (NOON + timedelta(minutes=10), "no brown-out is going on"),
        (NOON + timedelta(days=30), None),  # its sunset
    ],
)
def test_a_refusal_with_brown_outs_refuses_in_them_alone_until_its_sunset(at, reason):
    campaign = Campaign(sunset=NOON + timedelta(days=30), brown_outs=(BROWN_OUT,))

    assert objection(rule(leg=REFUSE, campaign=campaign), asked(at=at)) == reason


def test_a_refusal_without_brown_outs_refuses_always():
    assert decided(rule(leg=REFUSE)).why is DecisionReason.RULE


@pytest.mark.parametrize("size", [10, STEP_SIZE, STEP_SIZE + 1, 3 * STEP_SIZE])
def test_a_prompt_has_its_bucket_however_long_it_is(size):
    of = request(prompt="a" * size)
    number = bucket("r", of.prompt.encode())
    rules = rule(by="prompt", share=number), rule(by="prompt", share=number + 1)

    for a_rule in rules:
        rollout = Rollout(otherwise=TRANSLATE, rules=(a_rule,))
        question = asked(of=of)
        found = completed(buckets_in_steps(rollout, of))
        prepared = msgspec.structs.replace(question, buckets=found)
        assert bucket_of(a_rule, prepared) == bucket_of(a_rule, question) == number
        assert decide(rollout, prepared, NONE) == decide(rollout, question, NONE)
        assert set(found) == ({"r"} if size > STEP_SIZE else set())


def test_a_bucket_that_was_found_before_is_not_looked_for_again():
    question = msgspec.structs.replace(asked(of=request()), buckets={"r": 17})

    assert bucket_of(rule(by="prompt", share=5), question) == 17


def test_buckets_are_only_looked_for_where_a_rule_goes_by_long_prompts():
    long = request(prompt="a" * (STEP_SIZE + 1))
    rollout = Rollout(
        otherwise=TRANSLATE,
        rules=(
            rule("all", by="prompt"),
            rule("none", by="prompt", share=0),
            rule("other", by="caller", share=5),
            rule("some", by="prompt", share=5),
        ),
    )

    assert set(completed(buckets_in_steps(rollout, long))) == {"some"}
    assert completed(buckets_in_steps(rollout, None)) == {}
