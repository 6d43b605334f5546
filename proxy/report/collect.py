"""All that a report asks a store."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.report.build import MAX_CALLERS, ReportInput, begin_of, step_ms_of
from proxy.report.callers import CallerStatistics, callers_of
from proxy.traffic.store.aggregates import Aggregates, Who, aggregate, oldest_in
from proxy.traffic.store.examples import StoredExample, example_at
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.shadow_aggregates import aggregate_shadows
from proxy.traffic.store.store import Store


def collect_report_input(
    store: Store, since_ms: int, until_ms: int, caller: str | None
) -> ReportInput:
    """Everything about a period."""
    wanted = Filter(since=since_ms, until=until_ms, caller=caller)
    oldest_ms = oldest_in(store)
    step_ms = step_ms_of(begin_of(since_ms, until_ms, oldest_ms), until_ms)
    sums = aggregate(store, wanted, step_ms)
    callers = callers_of(sums)
    return ReportInput(
        since_ms=since_ms,
        until_ms=until_ms,
        caller=caller,
        oldest_ms=oldest_ms,
        sums=sums,
        callers=callers,
        shadowed=aggregate_shadows(store, wanted),
        examples=_examples(store, sums, callers),
    )


def _examples(
    store: Store, sums: Aggregates, callers: Mapping[Who, CallerStatistics]
) -> dict[Who, StoredExample]:
    """Of each caller that is shown: what it mostly sends, and rather as it was captured."""
    captured = {each.shape: each.latest for each in sums.captured}
    examples: dict[Who, StoredExample] = {}
    for who, caller in list(callers.items())[:MAX_CALLERS]:
        seq = caller.example(captured)
        example = None if seq is None else example_at(store, seq)
        if example is not None:
            examples[who] = example
    return examples
