"""Query everything that a report needs from a store."""

from __future__ import annotations

from proxy.report.build import MAX_CALLERS, ReportInput, effective_begin, step_ms_of
from proxy.report.callers import callers_of
from proxy.traffic.store.aggregates import Who, aggregate, oldest_received_ms
from proxy.traffic.store.examples import StoredExample, example_at
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.shadow_aggregates import aggregate_shadows
from proxy.traffic.store.store import Store


def collect_report_input(
    store: Store, since_ms: int, until_ms: int, caller: str | None
) -> ReportInput:
    """Collect everything about a period, of one caller or of all."""
    filters = Filter(since=since_ms, until=until_ms, caller=caller)
    oldest_ms = oldest_received_ms(store)
    step_ms = step_ms_of(effective_begin(since_ms, until_ms, oldest_ms), until_ms)
    sums = aggregate(store, filters, step_ms)
    callers = callers_of(sums)
    # Examples show what a caller sends most often, in a captured request if there is one.
    captured = {each.shape: each.latest_seq for each in sums.captured}
    examples: dict[Who, StoredExample] = {}
    for who, statistics in list(callers.items())[:MAX_CALLERS]:
        seq = statistics.example_seq(captured)
        example = None if seq is None else example_at(store, seq)
        if example is not None:
            examples[who] = example
    return ReportInput(
        since_ms=since_ms,
        until_ms=until_ms,
        caller=caller,
        oldest_ms=oldest_ms,
        sums=sums,
        callers=callers,
        shadowed=aggregate_shadows(store, filters),
        examples=examples,
    )
