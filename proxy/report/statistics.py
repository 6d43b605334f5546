"""Turn counts into shares and durations into percentiles."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from proxy.report.model import Counted, Latency, Percentiles
from proxy.report.outcomes import share
from proxy.traffic.store.aggregates import LatencyGroup

MAX_SHOWN: Final = 20
"""Limit on lists of things that clients can create without limit, such as user agents."""


def ranked(counts: Counter[str], whole: int, most: int = MAX_SHOWN) -> tuple[Counted, ...]:
    """Return the most frequent names with their shares; ties in alphabetical order."""
    order = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:most]
    return tuple(
        Counted(name=name, count=count, share=share(count, whole)) for name, count in order
    )


def latency_of(lasted: Sequence[LatencyGroup]) -> Latency:
    """Return the percentiles of each duration, over the exchanges that have it."""
    return Latency(
        total=percentiles((each.total, each.exchanges) for each in lasted),
        first_byte=percentiles((each.first_byte, each.exchanges) for each in lasted),
        first_token=percentiles((each.first_token, each.exchanges) for each in lasted),
    )


def percentiles(durations: Iterable[tuple[int | None, int]]) -> Percentiles | None:
    """Compute nearest-rank percentiles from pairs of milliseconds and how many took that long."""
    counts: Counter[int] = Counter()
    for milliseconds, exchanges in durations:
        if milliseconds is not None:
            counts[milliseconds] += exchanges
    if not counts:
        return None
    ordered, times = zip(*sorted(counts.items()), strict=True)
    passed = list(accumulate(times))
    p50, p95, p99 = (
        float(ordered[bisect_left(passed, math.ceil(part * passed[-1] / 100))])
        for part in (50, 95, 99)
    )
    return Percentiles(p50=p50, p95=p95, p99=p99)
