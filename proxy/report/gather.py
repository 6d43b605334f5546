"""All that a report asks a store."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.report.callers import Caller, callers_of
from proxy.report.compose import MOST_CALLERS, Gathered, step_ms_of
from proxy.traffic.examples import Example, example_at
from proxy.traffic.filters import Filter
from proxy.traffic.shadow_sums import shadowed_in
from proxy.traffic.store import Store
from proxy.traffic.sums import Sums, Who, sums_of


def gather(store: Store, since_ms: int, until_ms: int, caller: str | None) -> Gathered:
    """Everything about a period."""
    wanted = Filter(since=since_ms, until=until_ms, caller=caller)
    sums = sums_of(store, wanted, step_ms_of(since_ms, until_ms))
    callers = callers_of(sums)
    return Gathered(
        since_ms=since_ms,
        until_ms=until_ms,
        caller=caller,
        sums=sums,
        callers=callers,
        shadowed=shadowed_in(store, wanted),
        examples=_examples(store, sums, callers),
    )


def _examples(store: Store, sums: Sums, callers: Mapping[Who, Caller]) -> dict[Who, Example]:
    """Of each caller that is shown: what it sent last, and rather a request that was captured."""
    captured = {who: seq for who, _, seq in sums.captured}
    examples: dict[Who, Example] = {}
    for who, caller in list(callers.items())[:MOST_CALLERS]:
        seq = captured.get(who) or caller.latest
        example = None if seq is None else example_at(store, seq)
        if example is not None:
            examples[who] = example
    return examples
