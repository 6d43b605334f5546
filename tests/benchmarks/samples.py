"""
What was measured, round by round, and what it comes to.

Two contenders are compared within each round, where the machine treated both alike, and the
median of these comparisons is the result: a ratio of medians would compare one's good moments
with the other's bad ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import sub, truediv
from statistics import median
from typing import Final, Literal

from tests.benchmarks.processes import Account

Field = Literal[
    "per_second",
    "p50_ms",
    "p99_ms",
    "cpu_us",
    "all_cpu_us",
    "event_cpu_us",
    "busy",
    "kept_waiting",
    "rss_mib",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a load on one proxy: so many answers (or events) in so many seconds."""

    count: int
    seconds: float
    used: Account
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One proxy under one load in one round; what is counted are answers, or events."""

    load: str
    contender: str
    round: int
    events: int = 1
    """In each of what is counted."""
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Of the serving process, for each answer (or event)."""
    children_us: float
    """Of what it has started; Holdover's loader of evidence is such a child."""
    busy: float
    """The share of its core that the serving process used; below 1, something else was slow."""
    kept_waiting: float
    """The share of the time that it could have run, and its core was taken."""
    rss_mib: float

    @property
    def all_cpu_us(self) -> float:
        return self.cpu_us + self.children_us

    @property
    def event_cpu_us(self) -> float:
        return self.cpu_us / self.events


@dataclass(frozen=True, slots=True)
class Failure:
    """A proxy that did not do what it was measured at."""

    load: str
    contender: str
    why: str


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of all are not above; nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def in_each_round(
    samples: Iterable[Sample],
    field: Field,
    contender: str,
    base: str,
    *,
    how: Callable[[float, float], float] = truediv,
) -> list[float]:
    """One's figure against another's in every round that has both. All are of one load."""
    rounds: dict[int, dict[str, float]] = {}
    for sample in samples:
        rounds.setdefault(sample.round, {})[sample.contender] = getattr(sample, field)
    both = [one for one in rounds.values() if contender in one and base in one]
    return [how(one[contender], one[base]) for one in both]


def compared(
    samples: Iterable[Sample],
    field: Field,
    contender: str,
    base: str,
    *,
    how: Callable[[float, float], float] = truediv,
) -> float | None:
    """The median over these rounds; None: there are none."""
    seen = in_each_round(samples, field, contender, base, how=how)
    return median(seen) if seen else None


DIFFERENCE: Final = sub


def median_of(samples: Iterable[Sample], field: Field, contender: str) -> float:
    values: list[float] = [getattr(one, field) for one in samples if one.contender == contender]
    return median(values)


def of_load(samples: Iterable[Sample], load: str) -> list[Sample]:
    return [sample for sample in samples if sample.load == load]
