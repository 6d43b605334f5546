"""Distributions of numbers, in memory that does not grow with their count."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate


class Distribution:
    """Counts of numbers, which are rounded to four significant digits."""

    def __init__(self) -> None:
        self._counts = Counter[float]()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, number: float) -> None:
        """Count a number."""
        self._counts[float(f"{number:.4g}")] += 1

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        total = sum(number * count for number, count in self._counts.items())
        return round(total / self._counts.total(), 4)

    def quantile(self, share: float) -> float:
        """Return the smallest number such that at least this share of numbers is not above it."""
        numbers = sorted(self._counts)
        seen = list(accumulate(self._counts[number] for number in numbers))
        return numbers[bisect_left(seen, share * seen[-1])]

    def tenths(self) -> tuple[int, ...]:
        """Return how many numbers are in each tenth of 0 to 1; 1 itself is in the last."""
        tenths = [0] * 10
        for number, count in self._counts.items():
            tenths[min(int(number * 10), 9)] += count
        return tuple(tenths)
