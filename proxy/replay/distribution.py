"""Numbers of which only the distribution is remembered, to four digits: however many there are."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate


class Distribution:
    """How often each number was there."""

    def __init__(self) -> None:
        self._counts = Counter[float]()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, number: float) -> None:
        """One more."""
        self._counts[float(f"{number:.4g}")] += 1

    @property
    def mean(self) -> float:
        """Of all of them."""
        total = sum(number * count for number, count in self._counts.items())
        return round(total / self._counts.total(), 4)

    def quantile(self, share: float) -> float:
        """The smallest number that such a share of them is not above."""
        numbers = sorted(self._counts)
        seen = list(accumulate(self._counts[number] for number in numbers))
        return numbers[bisect_left(seen, share * seen[-1])]

    def tenths(self) -> tuple[int, ...]:
        """How many are in each tenth of 0 to 1; 1 itself is in the last."""
        tenths = [0] * 10
        for number, count in self._counts.items():
            tenths[min(int(number * 10), 9)] += count
        return tuple(tenths)
