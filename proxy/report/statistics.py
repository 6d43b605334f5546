"""Turn counts into shares and durations into percentiles."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from proxy.report.model import Counted, Latency, Percentiles
from proxy.report.outcomes import share
from proxy.traffic.store.rollups.sketch import DURATIONS, Sketch, counts_of, merge_into

MAX_SHOWN: Final = 20
"""Limit on lists of things that clients can create without limit, such as user agents."""


def ranked(counts: Counter[str], whole: int, most: int = MAX_SHOWN) -> tuple[Counted, ...]:
    """Return the most frequent names with their shares; ties in alphabetical order."""
    order = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:most]
    return tuple(
        Counted(name=name, count=count, share=share(count, whole)) for name, count in order
    )


def latency_of(sketches: Iterable[Sketch]) -> Latency:
    """Return the percentiles of each duration, over the exchanges that have it."""
    merged = Sketch()
    for sketch in sketches:
        merge_into(merged, sketch)
    total, first_byte, first_token = (percentiles(counts_of(merged, name)) for name in DURATIONS)
    return Latency(total=total, first_byte=first_byte, first_token=first_token)


def percentiles(durations: Iterable[tuple[float, int]]) -> Percentiles | None:
    """Compute nearest-rank percentiles from pairs of milliseconds and how many took that long."""
    counts: Counter[float] = Counter()
    for milliseconds, exchanges in durations:
        counts[milliseconds] += exchanges
    if not counts:
        return None
    ordered, times = zip(*sorted(counts.items()), strict=True)
    passed = list(accumulate(times))
    exact = (
        ordered[bisect_left(passed, math.ceil(part * passed[-1] / 100))] for part in (50, 95, 99)
    )
    # What is known is not more exact than three significant digits.
    p50, p95, p99 = (float(f"{milliseconds:.3g}") for milliseconds in exact)
    return Percentiles(p50=p50, p95=p95, p99=p99)
