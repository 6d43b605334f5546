"""Build a `Report` from what was collected; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.report.adjustments import adjustments_of
from proxy.report.callers import (
    CallerExamples,
    CallerStatistics,
    ReportSettings,
    caller_report,
    merge_callers,
    spent_by,
    standing_of,
)
from proxy.report.formatting import lost_exchanges, one_or_many
from proxy.report.model import Coverage, Others, Report, Standing, Step, Totals
from proxy.report.model import Period as ReportedPeriod
from proxy.report.outcomes import error_share, share
from proxy.report.retirements import retirements_of
from proxy.report.shadows import shadow_reports
from proxy.report.volume import volume_of
from proxy.traffic.store.aggregates import Aggregates, Who
from proxy.traffic.store.rollups.period import Period
from proxy.traffic.store.row_mapping import moment_of

MAX_CALLERS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput:
    """Everything that the store knows about a period."""

    period: Period
    caller: str | None
    """Name or digest of the only caller to report on; None for all."""
    oldest_ms: int | None
    """Time of the oldest exchange in the store, in or before the period."""
    sums: Aggregates
    callers: Mapping[Who, CallerStatistics]
    """The sums split by caller, in order of volume."""
    examples: Mapping[Who, CallerExamples]
    """Examples of each caller that is shown in full."""
    step: Step
    """The step of the volume."""
    left_to_build: int
    """Number of older exchanges that the rollups do not count yet."""
    lost: Mapping[str, int]
    """Number of exchanges, by day, whose rollups were deleted and whose records are gone."""


def build_report(collected: ReportInput, settings: ReportSettings, made_ms: int) -> Report:
    """Build the whole report; `made_ms` is the present time."""
    callers = collected.callers
    everybody = merge_callers(callers.values())
    totals = _totals(everybody, len(callers), settings)
    shown = list(callers.items())[:MAX_CALLERS]
    standings = tuple(
        standing_of(caller, settings.owners, totals.exchanges) for caller in callers.values()
    )
    oldest_ms = collected.oldest_ms
    period = collected.period
    return Report(
        made=moment_of(made_ms),
        period=ReportedPeriod(since=moment_of(period.begin_ms), until=moment_of(period.end_ms)),
        caller=collected.caller,
        coverage=Coverage(
            recorded_since=None if oldest_ms is None else moment_of(oldest_ms),
            with_bodies=sum(each.captured for each in everybody.shapes),
            lost_records=None,
            dropped_contents=None,
            notes=tuple(_coverage_notes(collected, totals)),
        ),
        totals=totals,
        adjustments=adjustments_of(everybody.shapes, {}, totals.exchanges),
        volume=volume_of(
            collected.sums.buckets,
            collected.step,
            effective_begin(period, oldest_ms),
            period.end_ms,
        ),
        callers=tuple(
            caller_report(
                caller,
                collected.examples.get(who, CallerExamples()),
                settings,
                totals.exchanges,
            )
            for who, caller in shown
        ),
        others=_others(callers, standings, totals.exchanges, settings),
        standings=standings,
        shadows=shadow_reports(collected.sums.shadows),
        retirements=retirements_of(callers.values(), settings.policy.catalogue, settings.today),
    )


def effective_begin(period: Period, oldest_ms: int | None) -> int:
    """Return the start of the period, or the time of the first exchange if that is later."""
    return max(period.begin_ms, period.end_ms if oldest_ms is None else oldest_ms)


def _totals(everybody: CallerStatistics, callers: int, settings: ReportSettings) -> Totals:
    exchanges, outcomes = everybody.exchanges, everybody.outcomes
    routes: Counter[tuple[str | None, bool]] = Counter()
    for each in everybody.shapes:
        routes[each.ending.route, each.ending.is_rescued] += each.exchanges
    return Totals(
        exchanges=exchanges,
        callers=callers,
        outcomes=outcomes,
        error_share=error_share(outcomes, exchanges),
        translated=routes["translate", False] + routes["translate", True],
        forwarded=routes["forward", False],
        rescued=everybody.rescued,
        streamed=sum(each.exchanges for each in everybody.shapes if each.streamed),
        readiness=everybody.readiness.score,
        latency=everybody.latency,
        spent=spent_by(everybody, settings),
    )


def _others(
    callers: Mapping[Who, CallerStatistics],
    standings: Sequence[Standing],
    whole: int,
    settings: ReportSettings,
) -> Others | None:
    rest = list(callers.values())[MAX_CALLERS:]
    if not rest:
        return None
    others = merge_callers(rest)
    known = [each.readiness for each in standings[MAX_CALLERS:] if each.readiness is not None]
    return Others(
        callers=len(rest),
        exchanges=others.exchanges,
        share=share(others.exchanges, whole),
        outcomes=others.outcomes,
        spent=spent_by(others, settings),
        lowest_readiness=min(known, default=None),
    )


def _coverage_notes(collected: ReportInput, totals: Totals) -> Iterator[str]:
    if collected.left_to_build:
        yield (
            f"The sums of {one_or_many(collected.left_to_build, 'older exchange')} are still being"
            " built and are missing here; `holdover traffic rebuild` shows how far that is."
        )
    if collected.lost:
        yield lost_exchanges(collected.lost)
    if totals.exchanges and not any(each.captured for each in collected.sums.shapes):
        yield (
            "No content was captured, so the calls to change to are examples; with"
            ' `capture = "full"` they are made from what was sent.'
        )
    if totals.forwarded:
        yield (
            f"{one_or_many(totals.forwarded, 'exchange')} went on without a translation, so it is"
            " not known what would be adjusted there, and they do not count for readiness; a"
            " shadow that translates would show it."
        )
    if totals.rescued:
        yield (
            f"{one_or_many(totals.rescued, 'exchange')} needed a second try: the first one failed,"
            " and a rule's `on_failure` made another."
        )
    other = sum(each.exchanges for each in collected.sums.buckets) - totals.exchanges
    if other:
        yield (
            "There are so many different callers, models or features that the rarest are counted"
            f" over time only: {one_or_many(other, 'exchange')} are left out of everything else."
        )
    if collected.sums.without_program:
        yield (
            "There are so many different programs that the rarest are not named: the SDKs, user"
            f" agents and times of {one_or_many(collected.sums.without_program, 'exchange')} are"
            " left out."
        )
