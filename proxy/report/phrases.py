"""
What a report says in sentences; all as plain text.

Whoever shows them where text can mean something passes a `Quote`: what is
quoted of clients and upstreams goes through it, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from proxy.report.formatting import day, moment, money, number, one_or_many, percent, short
from proxy.report.model import (
    CallerReport,
    Counted,
    CurrentCall,
    ErrorUse,
    HitCaller,
    Readiness,
    Report,
    Retirement,
    ShadowReport,
    Standing,
)
from proxy.report.readiness import MIN_JUDGED, READY

__all__ = [
    "BADGES",
    "LANGUAGES",
    "MEANINGS",
    "OUTCOMES",
    "about",
    "badge",
    "called",
    "caveats",
    "errors",
    "headline",
    "likeness",
    "names",
    "nothing_else",
    "old_call",
    "one_or_many",
    "ready",
    "retires",
    "speaks_with",
    "summary",
    "verdict",
]

Quote: TypeAlias = Callable[[str], str]
"""How somebody else's text is put into a sentence; `str` leaves it as it is."""

_NEAR: Final = 0.005
_MAX_READY: Final = 20
_NONE: Final = "none"  # how a report counts what was not said

OUTCOMES: Final[Mapping[str, str]] = {
    "answered": "answered",
    "client_error": "client's error",
    "upstream_error": "upstream's error",
    "holdover_error": "Holdover's error",
    "refused": "refused by a rule",
    "client_gone": "client left",
}
"""How an exchange can end, in the order in which that is drawn."""

BADGES: Final[Mapping[str, str]] = {
    "decision": "to decide",
    "mechanical": "to edit",
    "nothing": "goes away",
}
"""What a difference asks of who rewrites a caller."""

LANGUAGES: Final[Mapping[str, str]] = {
    "python": "Python",
    "typescript": "TypeScript",
    "curl": "curl",
}

MEANINGS: Final[Mapping[str, str]] = {
    "Request": "One call of the legacy API and its answer, whatever became of it.",
    "Readiness": "The share of a caller's requests that a current SDK could have sent without a"
    " change of meaning. What has only to be edited does not lower it; what somebody has to decide"
    " does, and so do errors of the caller's own. Not judged is what was forwarded as it is, what"
    " upstream failed at, wrong keys, rate limits and clients that left.",
    "To decide": "Holdover changed what was asked so that the answer may differ: whoever owns the"
    " caller has to say what is wanted.",
    "To edit": "Another spelling of the same; whoever rewrites the call changes it on the way.",
    "Ready": f"At least 99 % of {MIN_JUDGED} or more requests that can be judged, and no more"
    " than 5 % of all in error: the caller can be rewritten and cut over. Fewer than"
    f" {MIN_JUDGED} are too few to tell.",
    "Errors": "The share of requests that ended in an error, whoever's fault it was. Refusals by a"
    " rule and clients that left are not counted as errors.",
    "p50, p95": "Half, and 95 %, of the requests took no longer, from the first byte of the"
    " request to the last of the answer. Times are rounded up to two digits: at most a tenth too"
    " much.",
    "Similarity": "The share of characters that two answers have in common, in their order; 100 %"
    " is the same text.",
    "Noise floor": "How alike two answers to the very same request are. A shadow that is no less"
    " alike than that differs by chance alone.",
    "Cost": "The tokens that upstream counted, at the prices that are known.",
}

_OLD_CALLS: Final[Mapping[str, str]] = {
    "python": "completion = client.completions.create(model={}, prompt=...,"
    " max_tokens_to_sample=...)",
    "typescript": "const completion = await client.completions.create({{ model: {}, prompt,"
    " max_tokens_to_sample }});",
    "curl": 'curl https://api.anthropic.com/v1/complete -d \'{{"model": {}, "prompt": ...,'
    ' "max_tokens_to_sample": ...}}\'',
}


def headline(report: Report, quote: Quote = str) -> str:
    """What somebody reads who reads one line."""
    callers, ready = report.totals.callers, len(report.ready)
    if report.is_empty and report.caller is not None:
        return f"Nobody called {quote(short(report.caller, 60))} spoke Text Completions."
    if report.is_empty:
        return "Nobody spoke Text Completions."
    if callers == 1:
        ending = "it is ready to cut over" if ready else "it is not ready to cut over"
        return f"1 caller still speaks Text Completions; {ending}."
    ending = {0: "none is", 1: "1 is", callers: "all are"}.get(ready, f"{number(ready)} are")
    return f"{number(callers)} callers still speak Text Completions; {ending} ready to cut over."


def summary(report: Report, quote: Quote = str) -> str:
    """The paragraph below it."""
    totals = report.totals
    sentences = [
        f"{one_or_many(totals.exchanges, 'request')},"
        f" {percent(totals.outcomes.answered / totals.exchanges)} of them answered."
    ]
    if busiest := report.callers[:1]:
        name = called(busiest[0], quote)
        sentences.append(f"{name} sent {percent(busiest[0].share)} of them.")
    if soonest := [model for model in report.retirements if not model.is_past][:1]:
        model = quote(soonest[0].model)
        sentences.append(f"{model}, which {_needed_by(soonest[0])}, {_fate(soonest[0])}.")
    return " ".join(sentences)


def caveats(report: Report) -> Iterator[str]:
    """What the report cannot know."""
    coverage = report.coverage
    since = coverage.recorded_since
    if since is not None and since > report.period.since:
        yield f"Records are kept from {moment(since)} UTC on; the report begins there."
    if coverage.lost_records:
        yield f"{one_or_many(coverage.lost_records, 'record')} of this time are known to be lost."
    if coverage.dropped_contents:
        yield (
            f"The texts of {one_or_many(coverage.dropped_contents, 'request')} were let go for"
            " want of room; their records are here."
        )
    yield from coverage.notes


def called(caller: CallerReport | HitCaller | Standing, quote: Quote = str) -> str:
    """A caller by name, or else by digest."""
    known_as = caller.name or caller.digest
    return quote(known_as) if known_as else "without a key"


def about(caller: CallerReport, quote: Quote = str) -> str:
    """What somebody has to know of a caller to find it."""
    asked = dict.fromkeys(use.asked for use in caller.models if use.asked)
    models = names((Counted(name=model, count=0, share=0) for model in asked), quote=quote)
    sentences = [
        f"{one_or_many(caller.exchanges, 'request')}, {percent(caller.share)} of all, from"
        f" {speaks_with(caller, quote)}."
    ]
    if models:
        sentences.append(f"It asks for {models}.")
    if caller.error_share:
        sentences.append(f"{percent(caller.error_share)} ended in an error.")
    if caller.rescued:
        sentences.append(f"{one_or_many(caller.rescued, 'request')} needed a second try.")
    if caller.spent.cost is not None:
        sentences.append(f"Its tokens cost {money(caller.spent.cost)}.")
    return " ".join(sentences)


def speaks_with(caller: CallerReport, quote: Quote = str) -> str:
    """Its SDK, or what it calls itself."""
    sdks = [sdk for sdk in caller.sdks if sdk.name != _NONE]
    return names(sdks or caller.user_agents, quote=quote)


def nothing_else(caller: CallerReport) -> str:
    """What to do where no reason is given to do anything."""
    if caller.readiness.score is None:
        return "Nothing it sent can be judged, so nothing is known of what would have to change."
    return "Nothing but the call itself."


def old_call(caller: CallerReport) -> str:
    """The call that is replaced, in outline."""
    assert caller.call is not None
    model = "..." if caller.call.asked is None else f'"{caller.call.asked}"'
    return _OLD_CALLS[caller.call.language].format(model)


def badge(readiness: Readiness) -> str:
    """How a caller stands, in two or three words."""
    if readiness.score is None:
        return "not judged"
    if readiness.is_ready:
        return "ready"
    if not readiness.is_enough:
        return "too few to tell"
    return "too many errors" if readiness.score >= READY else f"{percent(readiness.score)} ready"


def likeness(call: CurrentCall) -> str:
    """How much of a caller's traffic its call stands for."""
    return f"{percent(call.share)} of its requests look like this"


def ready(report: Report) -> str:
    """Who can be cut over; a few of them by name."""
    found = [short(called(standing), 60) for standing in report.ready]
    more = f" and {number(len(found) - _MAX_READY)} more" if len(found) > _MAX_READY else ""
    return ", ".join(found[:_MAX_READY]) + more


def names(counted: Iterable[Counted], most: int = 2, *, quote: Quote = str) -> str:
    """The first few by name, and how many more."""
    found = [quote(one.name) for one in counted]
    more = [f"{len(found) - most} more"] if len(found) > most else []
    return ", ".join(found[:most] + more)


def verdict(shadows: ShadowReport, quote: Quote = str) -> str:
    """What a comparison means for who wants to follow it."""
    return f"{quote(shadows.rule)}: {_meaning(shadows)}"


def _meaning(shadows: ShadowReport) -> str:
    if shadows.shadow.mean_similarity is None:
        return "nothing could be compared."
    if shadows.beyond_noise is None:
        return "how much is noise is not known; `control = true` would tell."
    if shadows.beyond_noise <= _NEAR:
        return "no more different than one answer is from the next."
    return (
        f"{percent(shadows.beyond_noise)} less alike than one answer is to the next."
        " Read some of them before the rule takes traffic."
    )


def errors(report: Report) -> list[tuple[CallerReport, ErrorUse]]:
    """All errors of all callers, the most frequent ones first."""
    found = [(caller, error) for caller in report.callers for error in caller.errors]
    return sorted(found, key=lambda pair: -pair[1].count)


def retires(model: Retirement) -> str:
    """When a model is gone."""
    if model.retires is None:
        assert model.not_before is not None
        return "any day" if model.days_left <= 0 else f"not before {day(model.not_before)}"
    if model.is_past:
        return f"retired on {day(model.retires)}"
    return f"{day(model.retires)} ({one_or_many(model.days_left, 'day')} left)"


def _needed_by(model: Retirement) -> str:
    count = len(model.callers)
    return f"{one_or_many(count, 'caller')} {'depends' if count == 1 else 'depend'} on"


def _fate(model: Retirement) -> str:
    if model.retires is None:
        return "may retire any day" if model.days_left <= 0 else f"retires {retires(model)}"
    return f"retires on {day(model.retires)}"
