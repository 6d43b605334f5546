"""Counts as shares, durations as percentiles: what several parts of a report are made with."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from proxy.report.outcomes import share
from proxy.report.values import Counted, Percentiles
from proxy.traffic.sums import Lasted

MOST_SHOWN: Final = 20
"""Of anything that clients can make as much of as they like."""


def ranked(counts: Counter[str], whole: int, most: int = MOST_SHOWN) -> tuple[Counted, ...]:
    """The most frequent first; of those as frequent, the first of the alphabet."""
    order = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:most]
    return tuple(
        Counted(name=name, count=count, share=share(count, whole)) for name, count in order
    )


def percentiles(lasted: Iterable[Lasted]) -> Percentiles | None:
    """By the nearest rank; None of nothing."""
    counts: Counter[int] = Counter()
    for each in lasted:
        counts[each.milliseconds] += each.exchanges
    if not counts:
        return None
    durations, exchanges = zip(*sorted(counts.items()), strict=True)
    passed = list(accumulate(exchanges))
    p50, p95, p99 = (
        float(durations[bisect_left(passed, math.ceil(part * passed[-1]))])
        for part in (0.5, 0.95, 0.99)
    )
    return Percentiles(p50=p50, p95=p95, p99=p99)
