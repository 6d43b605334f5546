"""
How a rule does beside the rest of the traffic, over a window of time.

Latencies are counted in classes that each reach 5 % further than the last, so
that the counts of several workers can be added up.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from proxy.rules import Guard

_SLOTS: Final = 60
"""A window is forgotten in as many pieces."""
_STEP: Final = math.log(1.05)
_SHORTEST: Final = 0.001
"""Seconds; what is quicker is not told apart."""


class Tally(msgspec.Struct):
    """Exchanges, how many failed, and how long their answers took to begin, by class."""

    count: int = 0
    errors: int = 0
    latencies: dict[int, int] = msgspec.field(default_factory=dict[int, int])

    def add(self, seconds: float, *, is_error: bool) -> None:
        """Count one exchange."""
        self.count += 1
        self.errors += is_error
        latency = max(0, math.ceil(math.log(max(seconds, _SHORTEST) / _SHORTEST) / _STEP))
        self.latencies[latency] = self.latencies.get(latency, 0) + 1

    @property
    def error_percent(self) -> float:
        """Of 100 exchanges, how many failed."""
        return 100 * self.errors / self.count if self.count else 0.0

    @property
    def p95(self) -> float:
        """Seconds within which 95 % began to be answered, to 5 %."""
        left = 0.95 * self.count
        for latency in sorted(self.latencies):
            left -= self.latencies[latency]
            if left <= 0:
                return _SHORTEST * math.exp(latency * _STEP)
        return 0.0


def total(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    whole = Tally()
    for tally in tallies:
        whole.count += tally.count
        whole.errors += tally.errors
        for latency, count in tally.latencies.items():
            whole.latencies[latency] = whole.latencies.get(latency, 0) + count
    return whole


class Window:
    """The tally of the last seconds."""

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _SLOTS
        self._slots: deque[tuple[int, Tally]] = deque()

    def add(self, now: float, seconds: float, *, is_error: bool) -> None:
        """Count an exchange that ends now."""
        slot = int(now / self._width)
        if not self._slots or self._slots[-1][0] != slot:
            self._slots.append((slot, Tally()))
            self._forget(slot)
        self._slots[-1][1].add(seconds, is_error=is_error)

    def tally(self, now: float) -> Tally:
        """What is still within the window."""
        self._forget(int(now / self._width))
        return total(tally for _, tally in self._slots)

    def _forget(self, slot: int) -> None:
        while self._slots and self._slots[0][0] <= slot - _SLOTS:
            self._slots.popleft()


def breach(guard: Guard, rule: Tally, rest: Tally) -> str | None:
    """How a rule breaches its guard, in words; None if it does not."""
    if rule.count < guard.min_count:
        return None
    comparable = rest.count >= guard.min_count
    usual = rest.error_percent if comparable else 0.0
    if guard.errors_above is not None and rule.error_percent > usual + guard.errors_above:
        beside = f"beside {usual:.1f} % outside it" if comparable else "and too few outside it"
        return f"{rule.error_percent:.1f} % of {rule.count} exchanges failed, {beside}"
    if guard.p95_ratio is not None and comparable and rule.p95 > rest.p95 * guard.p95_ratio:
        return (
            f"95 % of {rule.count} answers began within {rule.p95:.3f} s,"
            f" beside {rest.p95:.3f} s outside it"
        )
    return None
