"""Query everything that a report needs from a store: rollups, and a few records as examples."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from proxy.report.adjustments import shapes_with_examples
from proxy.report.build import MAX_CALLERS, ReportInput, effective_begin
from proxy.report.callers import (
    CallerExamples,
    Callers,
    CallerStatistics,
    ReportSettings,
    all_callers,
    callers_of,
)
from proxy.report.volume import STEPS, step_of
from proxy.traffic.store.aggregates import (
    ShapeExample,
    aggregate,
    aggregate_callers,
    coarsest_step_ms,
    examples_of,
    exchanges_in,
    oldest_received_ms,
)
from proxy.traffic.store.examples import adjustments_of_exchanges, example_of
from proxy.traffic.store.rollups.build import missing_from
from proxy.traffic.store.rollups.period import period_of_buckets
from proxy.traffic.store.store import Store

_NO_NAMES: Final[Mapping[str, str]] = {}


def collect_report_input(  # noqa: PLR0913 - the last two have defaults
    store: Store,
    since_ms: int,
    until_ms: int,
    caller: str | None,
    names: Mapping[str, str] = _NO_NAMES,
    *,
    is_exact: bool = False,
) -> ReportInput:
    """
    Collect everything about a period, of one caller or of all.

    `names`, by digest, are for exchanges that were recorded before their caller had one. With
    `is_exact`, the caller is one, given as `aggregate` says.
    """
    return _collect(store, (since_ms, until_ms), caller, names, is_exact=is_exact)


def collect_in_brief(
    store: Store, since_ms: int, until_ms: int, names: Mapping[str, str] = _NO_NAMES
) -> ReportInput:
    """Collect what all callers did, without programs, latencies, shadows and examples."""
    return _collect(store, (since_ms, until_ms), None, names, is_brief=True)


def _collect(  # noqa: PLR0913 - the last two have defaults
    store: Store,
    times_ms: tuple[int, int],
    caller: str | None,
    names: Mapping[str, str],
    *,
    is_exact: bool = False,
    is_brief: bool = False,
) -> ReportInput:
    with store.reading() as connection:
        period = period_of_buckets(connection, *times_ms)
        oldest_ms = oldest_received_ms(connection)
        step = step_of(
            effective_begin(period, oldest_ms),
            period.end_ms,
            at_least_ms=coarsest_step_ms(connection, period),
        )
        sums = aggregate(
            connection,
            period,
            caller,
            STEPS[step],
            names=names,
            is_exact=is_exact,
            is_brief=is_brief,
        )
        callers = callers_of(sums, names)
        shown = {} if is_brief else dict(islice(callers.items(), MAX_CALLERS))
        wanted = {shape for statistics in shown.values() for shape in _shapes_to_show(statistics)}
        last = examples_of(connection, period, wanted)
        missing = missing_from(connection, period)
    return ReportInput(
        period=period,
        caller=caller,
        oldest_ms=oldest_ms,
        sums=sums,
        callers=callers,
        examples={who: _examples(store, each, last) for who, each in shown.items()},
        step=step,
        left_to_build=missing.to_build,
        lost=missing.lost,
    )


def collect_callers(
    store: Store, since_ms: int, until_ms: int, settings: ReportSettings
) -> Callers:
    """Collect all callers of a period, which costs less than a report."""
    with store.reading() as connection:
        period = period_of_buckets(connection, since_ms, until_ms)
        sums = aggregate_callers(connection, period)
        exchanges = exchanges_in(connection, period)
    return all_callers(sums, settings, exchanges)


def _shapes_to_show(caller: CallerStatistics) -> set[int]:
    shapes = shapes_with_examples(caller.shapes)
    if caller.typical is not None:
        shapes.add(caller.typical.shape)
    return shapes


def _examples(
    store: Store, caller: CallerStatistics, last: dict[int, ShapeExample]
) -> CallerExamples:
    found = {shape: last[shape].latest for shape in _shapes_to_show(caller) if shape in last}
    made = adjustments_of_exchanges(store, found.values())
    typical = None if caller.typical is None else last.get(caller.typical.shape)
    return CallerExamples(
        request=None if typical is None else example_of(store, typical.captured or typical.latest),
        adjustments={shape: made[key.id] for shape, key in found.items() if key.id in made},
    )
