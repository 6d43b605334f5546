"""
Which rule decides about a request, and what it decides: first match wins.

A rule decides if everything it names matches and the request is in its share.
What is outside of a share goes on to the next rule, and what no rule decides
is translated by the settings outside the rules.
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


class Why(enum.Enum):
    """What a decision rests on."""

    DEFAULT = "default"
    """No rule decided."""
    RULE = "rule"
    OVERRIDE = "override"
    SUNSET = "sunset"
    BROWN_OUT = "brown_out"


class Question(HiddenRepr, frozen=True, kw_only=True):
    """What is known of a request when its route is decided."""

    caller: Caller
    headers: Headers
    request: CompletionRequest | None
    """None: it cannot be read. Rules that look into it do not match."""
    now: datetime
    buckets: Mapping[str, int] = {}
    """By rule: of a long prompt, which it takes time to find."""
    roll: Callable[[], int] = lambda: secrets.randbelow(BASIS_POINTS)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """How one request is answered."""

    action: Action
    route: Route
    why: Why
    rule: Rule | None = None
    ends: datetime | None = None
    """Of a brown-out."""


def decide(rollout: Rollout, question: Question, tripped: frozenset[str]) -> Decision:
    """Decide; `tripped` names the rules whose guards have taken their shares to zero."""
    if rollout.override is not None:
        leg = rollout.override
        return Decision(action=leg.action, route=leg, why=Why.OVERRIDE)
    for rule in rollout.rules:
        if next(objections(rule, question, tripped), None) is None:
            return _by_rule(rule, question)
    return Decision(action=rollout.otherwise.action, route=rollout.otherwise, why=Why.DEFAULT)


def _by_rule(rule: Rule, question: Question) -> Decision:
    ends = brown_out_until(rule.campaign, question.now)
    if is_over(rule.campaign, question.now):
        return Decision(action="refuse", route=rule.route, why=Why.SUNSET, rule=rule)
    if ends is not None:
        return Decision(action="refuse", route=rule.route, why=Why.BROWN_OUT, rule=rule, ends=ends)
    return Decision(action=rule.route.action, route=rule.route, why=Why.RULE, rule=rule)


def objections(rule: Rule, question: Question, tripped: frozenset[str]) -> Iterator[str]:
    """Why a rule does not decide, cheapest reason first, in words; nothing if it does."""
    yield from _mismatches(rule.match, question)
    if rule.route.action == "refuse" and rule.campaign.brown_outs:
        over = is_over(rule.campaign, question.now)
        if not over and brown_out_until(rule.campaign, question.now) is None:
            yield "it is not the time of a brown-out"
    if rule.name in tripped:
        yield "its guard has taken its share to zero"
    elif rule.share == 0:
        yield "its share is zero"
    elif rule.share < BASIS_POINTS and (number := bucket_of(rule, question)) >= rule.share:
        yield f"bucket {number} by {rule.by} is not among the first {rule.share} of {BASIS_POINTS}"


def buckets_in_steps(rollout: Rollout, request: CompletionRequest | None) -> Steps[dict[str, int]]:
    """Where a request falls in the shares that go by its prompt, if that is a long one."""
    found: dict[str, int] = {}
    if request is None or len(request.prompt) <= STEP_SIZE:
        return found
    for rule in rollout.rules:
        if rule.by == "prompt" and 0 < rule.share < BASIS_POINTS:
            found[rule.name] = yield from bucket_in_steps(rule.name, request.prompt)
    return found


def bucket_of(rule: Rule, question: Question) -> int:
    """Where in a rule's share a request falls; who sends no user id goes by the caller."""
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
        yield "it is for streams" if match.streamed else "it is for whole answers"
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
