"""Everything that was gathered, in; a `Report` out. Asks nobody, and changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.report.callers import (
    CallerStatistics,
    ReportSettings,
    caller_report,
    spent_by,
    standing_of,
    together,
)
from proxy.report.formatting import one_or_many
from proxy.report.model import Coverage, Others, Period, Report, Standing, Totals
from proxy.report.outcomes import error_share, share
from proxy.report.retirements import retirements_of
from proxy.report.shadows import shadow_reports
from proxy.report.volume import STEPS, step_of, volume_of
from proxy.traffic.store.aggregates import Aggregates, Who
from proxy.traffic.store.examples import StoredExample
from proxy.traffic.store.row_mapping import moment_of
from proxy.traffic.store.shadow_aggregates import ShadowGroup

MAX_CALLERS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput:
    """What the store says about a period."""

    since_ms: int
    until_ms: int
    caller: str | None
    """Only of this one."""
    oldest_ms: int | None
    """When the first exchange of all that are kept was."""
    sums: Aggregates
    callers: Mapping[Who, CallerStatistics]
    """The same by caller, by volume."""
    shadowed: Sequence[ShadowGroup]
    examples: Mapping[Who, StoredExample]
    """Of the callers that are shown."""


def build_report(gathered: ReportInput, present: ReportSettings, made_ms: int) -> Report:
    """All of it."""
    callers = gathered.callers
    everybody = together(callers.values())
    totals = _totals(everybody, len(callers), present)
    shown = list(callers.items())[:MAX_CALLERS]
    standings = tuple(standing_of(caller) for caller in callers.values())
    begin_ms = begin_of(gathered.since_ms, gathered.until_ms, gathered.oldest_ms)
    return Report(
        made=moment_of(made_ms),
        period=Period(since=moment_of(gathered.since_ms), until=moment_of(gathered.until_ms)),
        caller=gathered.caller,
        coverage=_coverage(gathered, totals),
        totals=totals,
        volume=volume_of(
            gathered.sums.happened,
            step_of(begin_ms, gathered.until_ms),
            begin_ms,
            gathered.until_ms,
        ),
        callers=tuple(
            caller_report(caller, gathered.examples.get(who), present, totals.exchanges)
            for who, caller in shown
        ),
        others=_others(callers, standings, totals.exchanges, present),
        standings=standings,
        shadows=shadow_reports(gathered.shadowed),
        retirements=retirements_of(callers.values(), present.policy.catalogue, present.today),
    )


def step_ms_of(begin_ms: int, until_ms: int) -> int:
    """The length of the steps in which a period is counted."""
    return STEPS[step_of(begin_ms, until_ms)]


def begin_of(since_ms: int, until_ms: int, oldest_ms: int | None) -> int:
    """Not before there was anything: a period may begin when it likes."""
    return max(since_ms, until_ms if oldest_ms is None else oldest_ms)


def _totals(everybody: CallerStatistics, callers: int, present: ReportSettings) -> Totals:
    exchanges, outcomes = everybody.exchanges, everybody.outcomes
    routes: Counter[tuple[str | None, bool]] = Counter()
    for each in everybody.shaped:
        routes[each.ending.route, each.ending.is_rescued] += each.exchanges
    return Totals(
        exchanges=exchanges,
        callers=callers,
        outcomes=outcomes,
        error_share=error_share(outcomes, exchanges),
        translated=routes["translate", False] + routes["translate", True],
        forwarded=routes["forward", False],
        rescued=everybody.rescued,
        streamed=sum(each.exchanges for each in everybody.shaped if each.streamed),
        readiness=everybody.readiness.score,
        latency=everybody.latency,
        spent=spent_by(everybody, present),
    )


def _others(
    callers: Mapping[Who, CallerStatistics],
    standings: Sequence[Standing],
    whole: int,
    present: ReportSettings,
) -> Others | None:
    rest = list(callers.values())[MAX_CALLERS:]
    if not rest:
        return None
    others = together(rest)
    known = [each.readiness for each in standings[MAX_CALLERS:] if each.readiness is not None]
    return Others(
        callers=len(rest),
        exchanges=others.exchanges,
        share=share(others.exchanges, whole),
        outcomes=others.outcomes,
        spent=spent_by(others, present),
        lowest_readiness=min(known, default=None),
    )


def _coverage(gathered: ReportInput, totals: Totals) -> Coverage:
    oldest = gathered.oldest_ms
    return Coverage(
        recorded_since=None if oldest is None else moment_of(oldest),
        with_bodies=sum(each.exchanges for each in gathered.sums.captured),
        lost_records=None,
        dropped_contents=None,
        notes=tuple(_missing(gathered, totals)),
    )


def _missing(gathered: ReportInput, totals: Totals) -> Iterator[str]:
    if totals.exchanges and not gathered.sums.captured:
        yield (
            "No content was captured, so the calls to change to are examples;"
            ' `capture = "full"` lets them be written from what was sent.'
        )
    if totals.forwarded:
        yield (
            f"{one_or_many(totals.forwarded, 'exchange')} went on without a translation: what"
            " would be adjusted there is not known, and does not count for readiness. A shadow"
            " that is translated shows it."
        )
    if totals.rescued:
        yield (
            f"{one_or_many(totals.rescued, 'exchange')} needed a second try: the first one failed,"
            " and a rule's `on_failure` made another."
        )
    if gathered.sums.is_cut:
        all_of_them = sum(each.exchanges for each in gathered.sums.happened)
        yield (
            "There are so many different callers, models, features or programs that the rarest of"
            f" them are not counted: {all_of_them - totals.exchanges:,} exchanges are left out."
        )
