"""
The sentences of a report, as plain text.

In a format in which text can have a meaning, callers pass a `Quote`: it is
applied to everything quoted from clients and upstreams, and to nothing else.
"""

from __future__ import annotations

from collections import Counter
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
    "badge",
    "caller_description",
    "caller_name",
    "caveats",
    "clients_of",
    "errors_by_count",
    "example_share",
    "headline",
    "join_names",
    "nothing_to_change",
    "old_call",
    "one_or_many",
    "ready_names",
    "retirement_day",
    "standing_badge",
    "summary",
    "verdict",
    "what_is_left",
]

Quote: TypeAlias = Callable[[str], str]
"""A function that quotes foreign text for a format; `str` leaves it unchanged."""

_NEGLIGIBLE: Final = 0.005
_MAX_READY: Final = 20
_NO_NAME: Final = "none"  # the name under which reports count what was missing

OUTCOMES: Final[Mapping[str, str]] = {
    "answered": "answered",
    "client_error": "client's error",
    "upstream_error": "upstream's error",
    "holdover_error": "Holdover's error",
    "not_admitted": "not admitted",
    "overloaded": "Holdover overloaded",
    "cut_off": "cut off by a shutdown",
    "refused": "refused by a rule",
    "model_refused": "refused by the model",
    "client_gone": "client left",
}
"""Words for each outcome, in the order in which charts stack them."""

BADGES: Final[Mapping[str, str]] = {
    "decision": "to decide",
    "mechanical": "to edit",
    "nothing": "goes away",
}
"""Words for the kind of work that a difference means for the person who rewrites a caller."""

LANGUAGES: Final[Mapping[str, str]] = {
    "python": "Python",
    "typescript": "TypeScript",
    "curl": "curl",
}

MEANINGS: Final[Mapping[str, str]] = {
    "Request": "One call of the legacy API with its answer or error.",
    "Readiness": "The share of a caller's requests that a current SDK could have sent without a"
    " change of meaning. Differences that need only an edit do not lower it; those that need a"
    " decision do, and so do the caller's own errors. Requests are not judged if they were"
    " forwarded unchanged, failed upstream, had a wrong key, met a rate limit, or if the client"
    " left.",
    "To decide": "Holdover changed the request in a way that may change the answer: the caller's"
    " owner has to decide what is wanted.",
    "To edit": "The same meaning is written differently; change it while rewriting the call.",
    "Ready": f"At least 99 % of {MIN_JUDGED} or more judged requests are ready, and at most 5 % of"
    f" all requests ended in an error: the caller can be rewritten and cut over. Fewer than"
    f" {MIN_JUDGED} requests are too few to tell.",
    "Errors": "The share of requests that ended in an error of any party. Refusals by a"
    " rule and clients that left are not counted as errors.",
    "p50, p95": "Half of the requests, and 95 % of them, took at most this long, from the first"
    " byte of the request to the last byte of the answer. Times are exact within 2 %.",
    "Similarity": "The share of characters that two answers have in common, in the same order;"
    " 100 % means equal texts.",
    "Noise floor": "How similar two answers to the very same request are. A shadow that is at"
    " least as similar differs only by chance.",
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
    """Return the most important result in one sentence."""
    callers, ready = report.totals.callers, len(report.ready)
    if report.is_empty and report.caller is not None:
        return f"No caller named {quote(short(report.caller, 60))} used Text Completions."
    if report.is_empty:
        return "No caller used Text Completions."
    if callers == 1:
        ending = "it is ready to cut over" if ready else "it is not ready to cut over"
        return f"1 caller still uses Text Completions; {ending}."
    ending = {0: "none is", 1: "1 is", callers: "all are"}.get(ready, f"{number(ready)} are")
    return f"{number(callers)} callers still use Text Completions; {ending} ready to cut over."


def summary(report: Report, quote: Quote = str) -> str:
    """Return the paragraph below the headline."""
    totals = report.totals
    sentences = [
        f"{one_or_many(totals.exchanges, 'request')},"
        f" {percent(totals.outcomes.answered / totals.exchanges)} of them answered."
    ]
    if busiest := report.callers[:1]:
        name = caller_name(busiest[0], quote)
        sentences.append(f"{name} sent {percent(busiest[0].share)} of them.")
    if soonest := [model for model in report.retirements if not model.is_past][:1]:
        model, count = soonest[0], len(soonest[0].callers)
        if model.retires is not None:
            fate = f"retires on {day(model.retires)}"
        elif model.days_left <= 0:
            fate = "may retire any day"
        else:
            fate = f"retires {retirement_day(model)}"
        used_by = f"{one_or_many(count, 'caller')} {'depends' if count == 1 else 'depend'} on"
        sentences.append(f"{quote(model.model)}, which {used_by}, {fate}.")
    return " ".join(sentences)


def caveats(report: Report) -> Iterator[str]:
    """Yield sentences about what the report cannot know."""
    coverage = report.coverage
    since = coverage.recorded_since
    if since is not None and since > report.period.since:
        yield f"Records only exist from {moment(since)} UTC on; the report begins there."
    if coverage.lost_records:
        yield f"{one_or_many(coverage.lost_records, 'record')} of this period were lost."
    if coverage.dropped_contents:
        yield (
            f"The texts of {one_or_many(coverage.dropped_contents, 'request')} were deleted because"
            " space ran out; their records are complete."
        )
    yield from coverage.notes


def caller_name(caller: CallerReport | HitCaller | Standing, quote: Quote = str) -> str:
    """Return a caller's name, or else its digest."""
    known_as = caller.name or caller.digest
    return quote(known_as) if known_as else "without a key"


def caller_description(caller: CallerReport, quote: Quote = str) -> str:
    """Return a paragraph that helps to identify a caller."""
    asked = dict.fromkeys(use.asked for use in caller.models if use.asked)
    models = join_names((Counted(name=model, count=0, share=0) for model in asked), quote=quote)
    sentences = [
        f"{one_or_many(caller.exchanges, 'request')}, {percent(caller.share)} of all, from"
        f" {clients_of(caller, quote)}."
    ]
    if models:
        sentences.append(f"It asks for {models}.")
    if caller.owner is not None:
        sentences.append(f"Its owner is {quote(caller.owner)}.")
    if caller.error_share:
        sentences.append(f"{percent(caller.error_share)} ended in an error.")
    if caller.rescued:
        sentences.append(f"{one_or_many(caller.rescued, 'request')} needed a second try.")
    if caller.spent.cost is not None:
        sentences.append(f"Its tokens cost {money(caller.spent.cost)}.")
    return " ".join(sentences)


def clients_of(caller: CallerReport, quote: Quote = str) -> str:
    """Return the caller's SDKs, or its user agents if no SDK is known."""
    sdks = [sdk for sdk in caller.sdks if sdk.name != _NO_NAME]
    return join_names(sdks or caller.user_agents, quote=quote)


def nothing_to_change(caller: CallerReport) -> str:
    """Return what to do if no reason is given to change anything."""
    if caller.readiness.score is None:
        return "None of its requests can be judged, so it is not known what would have to change."
    return "Nothing but the call itself has to change."


def old_call(caller: CallerReport) -> str:
    """Return the outline of the call that is replaced."""
    assert caller.call is not None
    model = "..." if caller.call.asked is None else f'"{caller.call.asked}"'
    return _OLD_CALLS[caller.call.language].format(model)


def badge(readiness: Readiness) -> str:
    """Return the state of a caller in two or three words."""
    return _state(readiness.score, readiness)


def standing_badge(standing: Standing) -> str:
    """Return the state of a caller that is only summarised, in two or three words."""
    return _state(standing.readiness, standing)


def _state(score: float | None, caller: Readiness | Standing) -> str:
    if score is None:
        return "not judged"
    if caller.is_ready:
        return "ready"
    if not caller.is_enough:
        return "too few to tell"
    return "too many errors" if score >= READY else f"{percent(score)} ready"


def what_is_left(caller: CallerReport) -> str:
    """Return whether a caller can be cut over, or else what keeps it."""
    readiness = caller.readiness
    if readiness.score is None:
        return "None of its requests can be judged."
    works = Counter(reason.work for reason in readiness.reasons)
    decisions, edits = works["decision"], works["mechanical"]
    to_do = " and ".join(
        one_or_many(count, noun)
        for count, noun in ((decisions, "decision"), (edits, "edit"))
        if count
    )
    if readiness.is_ready:
        return f"It is ready to cut over{f' after {to_do}' if to_do else ''}."
    if not readiness.is_enough:
        return (
            f"There are too few requests to tell: {number(readiness.judged)} can be judged, and it"
            f" takes {MIN_JUDGED}."
        )
    left = f" What is left: {to_do}." if to_do else ""
    if readiness.score >= READY:
        return (
            f"{percent(readiness.score)} of its requests are ready, but"
            f" {percent(caller.error_share)} ended in an error.{left}"
        )
    return f"{percent(readiness.score)} of its requests are ready.{left}"


def example_share(call: CurrentCall) -> str:
    """Return how much of a caller's traffic is like its example call."""
    return f"{percent(call.share)} of its requests look like this"


def ready_names(report: Report) -> str:
    """Return a list of the callers that can be cut over, the first ones by name."""
    found = [short(caller_name(standing), 60) for standing in report.ready]
    more = f" and {number(len(found) - _MAX_READY)} more" if len(found) > _MAX_READY else ""
    return ", ".join(found[:_MAX_READY]) + more


def join_names(counted: Iterable[Counted], most: int = 2, *, quote: Quote = str) -> str:
    """Return the first names, and how many more there are."""
    found = [quote(one.name) for one in counted]
    more = [f"{len(found) - most} more"] if len(found) > most else []
    return ", ".join(found[:most] + more)


def verdict(shadows: ShadowReport, quote: Quote = str) -> str:
    """Return what the comparison of a rule's shadows means."""
    rule, beyond_noise = quote(shadows.rule), shadows.beyond_noise
    if shadows.shadow.mean_similarity is None:
        return f"{rule}: nothing could be compared."
    if beyond_noise is None:
        return f"{rule}: it is not known how much is noise; set `control = true` to find out."
    if beyond_noise <= _NEGLIGIBLE:
        return f"{rule}: the answers differ no more than answers to the very same request."
    return (
        f"{rule}: the answers are {percent(beyond_noise)} less similar than answers to the very"
        " same request. Read some of them before the rule takes traffic."
    )


def errors_by_count(report: Report) -> list[tuple[CallerReport, ErrorUse]]:
    """Return all errors of all callers, the most frequent first."""
    found = [(caller, error) for caller in report.callers for error in caller.errors]
    return sorted(found, key=lambda pair: -pair[1].count)


def retirement_day(model: Retirement) -> str:
    """Return when a model retires or retired."""
    if model.retires is None:
        assert model.not_before is not None
        return "any day" if model.days_left <= 0 else f"not before {day(model.not_before)}"
    if model.is_past:
        return f"retired on {day(model.retires)}"
    return f"{day(model.retires)} ({one_or_many(model.days_left, 'day')} left)"
