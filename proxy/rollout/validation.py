"""
Checks for contradictions between rules; each finding gives a place and a problem.

A rule that can never match has no effect, although its author expects one; so
it is an error. Shares of the same match that exceed 100 % are errors too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from proxy.rollout.bucketing import basis_points
from proxy.rollout.rule_schema import (
    BASIS_POINTS,
    Match,
    OverrideSettings,
    RouteSettings,
    RuleSettings,
)
from proxy.security.redaction import CALLER_DIGEST
from proxy.spelling import or_rather

Finding: TypeAlias = tuple[tuple[str | int, ...], str]
"""A place in the settings, such as `("rollout", 1, "match")`, and the problem there."""

_NEEDS_KEY: Final = (
    "is a digest, which needs the setting digest_key; to keep the digests that the log shows, set "
    "it to the contents of digest.key in state_dir"
)
_WILDCARD: Final = re.compile(r"[*?\[]")
_ALL: Final = 100
_ROUTE_FIELDS: Final = tuple(RouteSettings.model_fields)


def validate_rules(
    rules: Sequence[RuleSettings],
    override: OverrideSettings | None,
    *,
    has_legacy_url: bool,
    callers: Mapping[str, str | None],
    keeps_digests: bool,
) -> Iterator[Finding]:
    """
    Yield all contradictions, in the order of the rules.

    `callers` has the digests of those callers that are listed by one.
    """
    if not keeps_digests:
        by_digest = (name for name, digest in callers.items() if digest is not None)
        yield from ((("callers", name, "digest"), _NEEDS_KEY) for name in by_digest)
    for number, rule in enumerate(rules):
        place = ("rollout", number)
        if any(rule.name == earlier.name for earlier in rules[:number]):
            yield (*place, "name"), f"an earlier rule is named {rule.name!r} too; rename one"
        yield from _match_findings(place, rule.match, callers, keeps_digests=keeps_digests)
        for earlier in rules[:number]:
            # A written share, even of 100, may be lowered later: such a rule leaves something over.
            is_dial = "share" in earlier.model_fields_set or earlier.guard is not None
            is_now_and_then = earlier.action == "refuse" and earlier.campaign.brown_outs
            if not (is_dial or is_now_and_then) and _covers(earlier.match, rule.match):
                yield place, f"can never match: {earlier.name!r} takes all of its requests"
                break
        yield from _findings_on_route(place, rule, has_legacy_url=has_legacy_url)
        for name, other in (("shadow", rule.shadow), ("on_failure", rule.on_failure)):
            if other is not None:
                yield from _findings_on_route((*place, name), other, has_legacy_url=has_legacy_url)
        retry = rule.on_failure
        if retry and all(getattr(rule, name) == getattr(retry, name) for name in _ROUTE_FIELDS):
            yield (*place, "on_failure"), "repeats the route that has just failed; choose another"
    yield from _share_findings(rules)
    if override is not None:
        yield from _findings_on_route(
            ("rollout_override",), override, has_legacy_url=has_legacy_url
        )


def _findings_on_route(
    place: tuple[str | int, ...], leg: RouteSettings, *, has_legacy_url: bool
) -> Iterator[Finding]:
    if leg.action == "forward" and not has_legacy_url:
        yield (*place, "action"), "forward needs the setting legacy_url"
    if leg.prefill == "reroute" and leg.prefill_model is None:
        yield (*place, "prefill"), "reroute needs prefill_model in the same table"


def _match_findings(
    place: tuple[str | int, ...],
    match: Match,
    callers: Mapping[str, str | None],
    *,
    keeps_digests: bool,
) -> Iterator[Finding]:
    caller, place = match.caller, (*place, "match")
    by_digest = [name for name in ("caller", "key") if _is_digest(getattr(match, name))]
    if by_digest and not keeps_digests:
        yield (*place, by_digest[0]), _NEEDS_KEY
    if match.key is not None and not (_WILDCARD.search(match.key) or _is_digest(match.key)):
        yield (*place, "key"), "can never match: a digest has 16 lower-case hexadecimal digits"
    names = {digest: name for name, digest in callers.items() if digest is not None}
    if caller in names:
        yield (
            (*place, "caller"),
            f"can never match: this caller is named {names[caller]!r}; write its name",
        )
    # A pattern with wildcards may be meant for digests, which cannot be listed.
    if caller is not None and not (
        _WILDCARD.search(caller) or _is_digest(caller) or caller in callers
    ):
        nearest = or_rather(caller, callers)
        yield (
            (*place, "caller"),
            f"can never match: no caller in [callers] has such a name{nearest}",
        )


def _is_digest(pattern: str | None) -> bool:
    return pattern is not None and CALLER_DIGEST.fullmatch(pattern) is not None


def _covers(wide: Match, narrow: Match) -> bool:
    """Return True if `wide` surely matches every request that `narrow` matches."""
    if wide.streamed is not None and wide.streamed is not narrow.streamed:
        return False
    pairs = [
        (getattr(wide, name), getattr(narrow, name))
        for name in ("model", "caller", "key", "user_agent", "anthropic_version")
    ]
    pairs += [(pattern, narrow.header.get(name)) for name, pattern in wide.header.items()]
    return all(_pattern_covers(one, other) for one, other in pairs)


def _pattern_covers(wide: str | None, narrow: str | None) -> bool:
    if wide is None or wide == narrow:
        return True
    if narrow is None or "[" in narrow or "?" in wide or "[" in wide:
        return False
    # `*` is the only wildcard left in `wide`, and it matches any `*` in `narrow` literally.
    return fnmatchcase(narrow, wide)


def _share_findings(rules: Sequence[RuleSettings]) -> Iterator[Finding]:
    matches = [rule.match for rule in rules]
    for place, match in enumerate(matches):
        if match in matches[:place]:
            continue  # counted already
        shared = [
            (number, rule)
            for number, rule in enumerate(rules)
            if rule.match == match and rule.share < _ALL
        ]
        total = sum(basis_points(rule.share) for _, rule in shared)
        if total > BASIS_POINTS:
            names = ", ".join(repr(rule.name) for _, rule in shared)
            yield (
                ("rollout", shared[-1][0], "share"),
                f"{names} match the same requests, and their shares add up to {total / 100:g} %",
            )
