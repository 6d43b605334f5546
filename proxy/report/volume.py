"""Count exchanges over time, in steps that fit the period, including empty steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from proxy.outcome import Outcome
from proxy.report.model import Bucket, Step, Volume
from proxy.report.outcomes import outcomes_of
from proxy.timestamps import DAY_MS, HOUR_MS, MINUTE_MS
from proxy.traffic.store.aggregates import TimeBucket
from proxy.traffic.store.row_mapping import moment_of

STEPS: Final[Mapping[Step, int]] = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}
_MAX_STEPS: Final = 96


def step_of(since_ms: int, until_ms: int, *, at_least_ms: int = 0) -> Step:
    """Return the shortest step that divides the period into at most 96, or else a day."""
    for step, milliseconds in STEPS.items():
        if milliseconds >= at_least_ms and until_ms - since_ms <= _MAX_STEPS * milliseconds:
            return step
    return "day"


def volume_of(happened: Iterable[TimeBucket], step: Step, since_ms: int, until_ms: int) -> Volume:
    """Return what happened in each step of the period, oldest first."""
    counts: dict[int, Counter[Outcome]] = {}
    for each in happened:
        counts.setdefault(each.step, Counter())[each.outcome] += each.exchanges
    length = STEPS[step]
    buckets: list[Bucket] = []
    for number in range(since_ms // length, -(-until_ms // length)):
        count = counts.get(number, Counter())
        begin, outcomes = moment_of(number * length), outcomes_of(count)
        buckets.append(Bucket(begin=begin, outcomes=outcomes, exchanges=count.total()))
    return Volume(step=step, buckets=tuple(buckets))
