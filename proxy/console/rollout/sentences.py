"""
Rules as sentences in plain English, with names and patterns between backticks.

    RuleSettings -> "Requests for `claude-2*`: 25 % of the callers are translated; the others ..."
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Final

from proxy.report.formatting import short
from proxy.rollout.rule_schema import (
    Action,
    By,
    Guard,
    Match,
    RouteSettings,
    RuleSettings,
    ShadowSettings,
)

_LONGEST: Final = 60
_ALL: Final = 100
_UNITS: Final[Mapping[By, str]] = {
    "caller": "of the callers",
    "user_id": "of the users (by `metadata.user_id`)",
    "prompt": "of the prompts",
    "random": "of them, at random,",
}
_ROUTES: Final[Mapping[Action, str]] = {
    "translate": "are translated for the Messages API",
    "forward": "are forwarded unchanged to the legacy upstream",
    "refuse": "are refused with 410",
}
OVERRIDES: Final[Mapping[Action, str]] = {
    "translate": "Every request is translated by the settings outside of the rules.",
    "forward": "Every request is forwarded unchanged to the legacy upstream.",
    "refuse": "Every request is refused with 410: nobody gets a completion any more.",
}
"""What each override does to all requests."""
OTHERWISE: Final = "All other requests are translated by the settings outside of the rules."


def sentences_of(rule: RuleSettings) -> list[str]:
    """Return what a rule does, in the order in which it does it."""
    return list(_sentences(rule))


def quoted(text: str) -> str:
    """Put a name or pattern between backticks, of which it has none of its own."""
    return f"`{short(text, _LONGEST).replace('`', chr(39))}`"


def _sentences(rule: RuleSettings) -> Iterator[str]:
    yield _decision(rule)
    if rule.action == "refuse" and rule.campaign.brown_outs:
        yield "It refuses only in its brown-outs; at other times all go on to the next rule."
    if (retry := rule.on_failure) is not None:
        late = f", or has not begun to answer within {retry.timeout:g} s" if retry.timeout else ""
        yield f"If the upstream fails{late}, they {_route(retry)}."
    if rule.shadow is not None:
        yield _shadow(rule.shadow)
    if rule.guard is not None:
        yield _guard(rule.guard)
    if (sunset := rule.campaign.sunset) is not None:
        day = f"{sunset.astimezone(UTC):%d %b %Y, %H:%M} UTC"
        yield f"From its sunset on, {day}, every request that it takes gets 410."
    if rule.campaign.link is not None:
        yield f"Answers tell their callers to read {quoted(rule.campaign.link)}."
    if rule.capture is not None:
        yield f"Of its texts, {_CAPTURES[rule.capture]}."


_CAPTURES: Final = {
    "off": "nothing is kept",
    "digest": "sizes and digests are kept",
    "full": "all are kept, redacted",
}


def _decision(rule: RuleSettings) -> str:
    conditions = "".join(f" {condition}" for condition in _conditions(rule.match))
    if rule.share == _ALL:
        return f"All requests{conditions} {_route(rule)}."
    share = f"{rule.share:g} % {_UNITS[rule.by or 'caller']} {_route(rule)}"
    rest = "the others" if rule.share else "all"
    whose = f"Requests{conditions}" if conditions else "Of all requests"
    return f"{whose}: {share}; {rest} go on to the next rule."


def _conditions(match: Match) -> Iterator[str]:
    if match.caller is not None:
        yield f"of {quoted(match.caller)}"
    if match.key is not None:
        yield f"with a key {quoted(match.key)}"
    if match.model is not None:
        yield f"for the model {quoted(match.model)}"
    if match.user_agent is not None:
        yield f"with the user agent {quoted(match.user_agent)}"
    if match.anthropic_version == "none":
        yield "without `anthropic-version`"
    elif match.anthropic_version is not None:
        yield f"with `anthropic-version` {quoted(match.anthropic_version)}"
    for name, pattern in match.header.items():
        yield f"with the header {quoted(name)} {quoted(pattern)}"
    if match.streamed is not None:
        yield "for a stream" if match.streamed else "without a stream"


def _route(route: RouteSettings) -> str:
    details = [
        f"{name} {quoted(value)}"
        for name, value in (
            ("the model", route.model),
            ("prefills as", route.prefill),
            ("prefills sent to", route.prefill_model),
            ("strictness", route.strictness),
        )
        if value is not None
    ]
    if route.refuse:
        kinds = sorted(kind.value for kind in route.refuse)
        details.append(f"without {', '.join(map(quoted, kinds))}")
    return _ROUTES[route.action] + (f" ({', '.join(details)})" if details else "")


def _shadow(shadow: ShadowSettings) -> str:
    what = "All" if shadow.share == _ALL else f"{shadow.share:g} %"
    control = ", and once more as they are," if shadow.control else ""
    return (
        f"{what} of its requests {_route(shadow)} a second time{control} to compare the answers,"
        f" for up to {shadow.daily_tokens:,} tokens a day."
    )


def _guard(guard: Guard) -> str:
    limits = []
    if guard.errors_above is not None:
        limits.append(
            f"its share of errors is {guard.errors_above:g} percentage points above that of all"
            " other traffic"
        )
    if guard.p95_ratio is not None:
        limits.append(
            f"its answers begin {guard.p95_ratio:g} times as late as those of all other traffic"
            " (95th percentile)"
        )
    return (
        f"Guard: it loses its share when {' or '.join(limits)}, in {guard.window:g} s with at"
        f" least {guard.min_count:,} requests on each side."
    )
