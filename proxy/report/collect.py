"""All that a report asks a store."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.report.build import MOST_CALLERS, Gathered, begin_of, step_ms_of
from proxy.report.callers import Caller, callers_of
from proxy.traffic.store.aggregates import Sums, Who, oldest_in, sums_of
from proxy.traffic.store.examples import Example, example_at
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.shadow_aggregates import shadowed_in
from proxy.traffic.store.store import Store


def gather(store: Store, since_ms: int, until_ms: int, caller: str | None) -> Gathered:
    """Everything about a period."""
    wanted = Filter(since=since_ms, until=until_ms, caller=caller)
    oldest_ms = oldest_in(store)
    step_ms = step_ms_of(begin_of(since_ms, until_ms, oldest_ms), until_ms)
    sums = sums_of(store, wanted, step_ms)
    callers = callers_of(sums)
    return Gathered(
        since_ms=since_ms,
        until_ms=until_ms,
        caller=caller,
        oldest_ms=oldest_ms,
        sums=sums,
        callers=callers,
        shadowed=shadowed_in(store, wanted),
        examples=_examples(store, sums, callers),
    )


def _examples(store: Store, sums: Sums, callers: Mapping[Who, Caller]) -> dict[Who, Example]:
    """Of each caller that is shown: what it mostly sends, and rather as it was captured."""
    captured = {each.shape: each.latest for each in sums.captured}
    examples: dict[Who, Example] = {}
    for who, caller in list(callers.items())[:MOST_CALLERS]:
        seq = caller.example(captured)
        example = None if seq is None else example_at(store, seq)
        if example is not None:
            examples[who] = example
    return examples
