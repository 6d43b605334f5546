"""
Choose the rule that decides about a request: the first match wins.

A rule decides if all its patterns match and the request is in its share.
Otherwise the next rule is tried, and a request that no rule decides is
translated by the settings outside the rules.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase

import msgspec

from proxy.headers import Headers, joined
from proxy.rollout.bucketing import bucket, bucket_in_steps
from proxy.rollout.rule_schema import BASIS_POINTS, Action, Match
from proxy.rollout.rules import Rollout, Route, Rule
from proxy.rollout.schedule import brown_out_until, is_over
from proxy.security.keyring import Caller
from proxy.security.redaction import HiddenRepr
from translators import STEP_SIZE, CompletionRequest, Steps

_WITHOUT_HEADER = "none"


class DecisionReason(enum.Enum):
    """Reason for a decision."""

    DEFAULT = "default"
    """No rule decided."""
    RULE = "rule"
    OVERRIDE = "override"
    SUNSET = "sunset"
    BROWN_OUT = "brown_out"


class Question(HiddenRepr, frozen=True, kw_only=True):
    """Facts about a request that rules may look at."""

    caller: Caller
    headers: Headers
    request: CompletionRequest | None
    """Parsed request; None if it is unreadable, and then rules that need it do not match."""
    now: datetime
    buckets: Mapping[str, int] = {}
    """Buckets found ahead of time for a long prompt, by name of the rule."""
    roll: Callable[[], int] = lambda: secrets.randbelow(BASIS_POINTS)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The route for one request, and the reason for it."""

    action: Action
    route: Route
    why: DecisionReason
    rule: Rule | None = None
    ends: datetime | None = None
    """End of the brown-out that refuses the request."""


def decide(rollout: Rollout, question: Question, tripped: frozenset[str] = frozenset()) -> Decision:
    """Return the decision; `tripped` names the rules whose guards have set their shares to zero."""
    if rollout.override is not None:
        leg = rollout.override
        return Decision(action=leg.action, route=leg, why=DecisionReason.OVERRIDE)
    deciding = (
        rule for rule in rollout.rules if next(objections(rule, question, tripped), None) is None
    )
    if (rule := next(deciding, None)) is None:
        otherwise = rollout.otherwise
        return Decision(action=otherwise.action, route=otherwise, why=DecisionReason.DEFAULT)
    if is_over(rule.campaign, question.now):
        return Decision(action="refuse", route=rule.route, why=DecisionReason.SUNSET, rule=rule)
    if (ends := brown_out_until(rule.campaign, question.now)) is not None:
        return Decision(
            action="refuse", route=rule.route, why=DecisionReason.BROWN_OUT, rule=rule, ends=ends
        )
    return Decision(action=rule.route.action, route=rule.route, why=DecisionReason.RULE, rule=rule)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a rule decides about a request, and why not."""

    rule: Rule
    objection: str | None
    """The first reason why it does not decide; None if it does."""
    bucket: int | None = None
    """The bucket of the request, if it decides by its share."""


def verdicts(
    rollout: Rollout, question: Question, tripped: frozenset[str] = frozenset()
) -> Iterator[Verdict]:
    """Yield the verdict of each rule, up to the one that decides; none if there is an override."""
    if rollout.override is not None:
        return
    for rule in rollout.rules:
        if (objection := next(objections(rule, question, tripped), None)) is None:
            number = bucket_of(rule, question) if rule.share < BASIS_POINTS else None
            yield Verdict(rule=rule, objection=None, bucket=number)
            return
        yield Verdict(rule=rule, objection=objection)


def verdict_in_words(verdict: Verdict) -> str:
    """Return a verdict as a line that begins with the name of its rule."""
    rule = verdict.rule
    if verdict.objection is not None:
        return f"{rule.name}: no: {verdict.objection}."
    if verdict.bucket is None:
        return f"{rule.name}: yes."
    return f"{rule.name}: yes (bucket {verdict.bucket} by {rule.by} is within its share)."


def objections(
    rule: Rule, question: Question, tripped: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield reasons why a rule does not decide, cheapest first; nothing if it does."""
    yield from _mismatches(rule.match, question)
    if rule.route.action == "refuse" and rule.campaign.brown_outs:
        over = is_over(rule.campaign, question.now)
        if not over and brown_out_until(rule.campaign, question.now) is None:
            yield "no brown-out is going on"
    if rule.name in tripped:
        yield "its guard has taken its share to zero"
    elif rule.share == 0:
        yield "its share is zero"
    elif rule.share < BASIS_POINTS and (number := bucket_of(rule, question)) >= rule.share:
        yield f"bucket {number} by {rule.by} is not among the first {rule.share} of {BASIS_POINTS}"


def buckets_in_steps(rollout: Rollout, request: CompletionRequest | None) -> Steps[dict[str, int]]:
    """Return the buckets of a long prompt, for each rule whose share is dealt by prompt."""
    found: dict[str, int] = {}
    if request is None or len(request.prompt) <= STEP_SIZE:
        return found
    for rule in rollout.rules:
        if rule.by == "prompt" and 0 < rule.share < BASIS_POINTS:
            found[rule.name] = yield from bucket_in_steps(rule.name, request.prompt)
    return found


def bucket_of(rule: Rule, question: Question) -> int:
    """Return the bucket of a request; without a user id or prompt, the caller's bucket."""
    request = question.request
    if rule.name in question.buckets:
        return question.buckets[rule.name]
    match rule.by:
        case "random":
            return question.roll()
        case "prompt" if request is not None:
            return bucket(rule.name, request.prompt.encode())
        case "user_id" if request is not None and request.metadata and request.metadata.user_id:
            return bucket(rule.name, request.metadata.user_id.encode())
        case _:
            return bucket(rule.name, question.caller.identity)


def _mismatches(match: Match, question: Question) -> Iterator[str]:
    caller, request = question.caller, question.request
    if match.streamed is not None and (
        request is None or bool(request.stream) is not match.streamed
    ):
        yield (
            "it matches only streamed requests"
            if match.streamed
            else "it matches only requests without a stream"
        )
    if match.model is not None:
        yield from _unlike("model", request.model if request else None, match.model)
    if match.caller is not None:
        yield from _unlike("caller", caller.name or caller.digest, match.caller)
    if match.key is not None:
        yield from _unlike("key", caller.digest, match.key)
    if match.user_agent is not None:
        yield from _unlike("user-agent", _header(question, "user-agent"), match.user_agent)
    if match.anthropic_version is not None:
        version = _header(question, "anthropic-version") or _WITHOUT_HEADER
        yield from _unlike("anthropic-version", version, match.anthropic_version)
    for name, pattern in match.header.items():
        yield from _unlike(f"header {name}", _header(question, name), pattern)


def _unlike(what: str, value: str | None, pattern: str) -> Iterator[str]:
    if value is None:
        yield f"there is no {what}"
    elif not fnmatchcase(value, pattern):
        yield f"{what} {value!r} is not {pattern!r}"


def _header(question: Question, name: str) -> str | None:
    return joined(question.headers, name.lower().encode("latin-1", "replace"))
