"""
How a rule does beside the rest of the traffic, over a window of time.

Callers are told apart, since one of them alone can fail as often as it likes:
each side is judged without the caller who makes it look worst. So what one
caller does neither takes a rule's share away, as long as the others do well by
it, nor hides that they do not. Where there is only one, it is what there is.
(Sides of another mix do not compare: no caller's share is cut, though one who
does very much and well outweighs others.)

A client that leaves before it is answered says how long it has waited, and
nothing about failure: that is told by those who stay.

Latencies are counted in classes that each reach 5 % further than the last, so
that the counts of several workers can be added up.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from proxy.rollout.rule_schema import Guard

_SLOTS: Final = 60
"""A window is forgotten in as many pieces."""
_STEP: Final = math.log(1.05)
_MIN_LENGTH: Final = 0.001
"""Seconds; what is quicker is not told apart."""
MAX_CALLERS: Final = 32
"""In a window, by name; keys are easily invented, so all further ones are one caller together."""
OTHERS: Final = ""
"""What they are called."""
_ENOUGH: Final = 0.1
"""Of the `min_count` of a guard, in exchanges of others: with fewer the one caller is judged by."""


class Tally(msgspec.Struct):
    """Exchanges, how many failed, and how long their answers took to begin, by class."""

    count: int = 0
    errors: int = 0
    latencies: dict[int, int] = msgspec.field(default_factory=dict[int, int])

    def add(self, seconds: float, *, is_error: bool | None) -> None:
        """Count one exchange; None: its client has left after so many seconds."""
        if is_error is not None:
            self.count += 1
            self.errors += is_error
        latency = max(0, math.ceil(math.log(max(seconds, _MIN_LENGTH) / _MIN_LENGTH) / _STEP))
        self.latencies[latency] = self.latencies.get(latency, 0) + 1

    def add_all(self, other: Tally) -> None:
        """Count what another one has counted."""
        self.count += other.count
        self.errors += other.errors
        for latency, count in other.latencies.items():
            self.latencies[latency] = self.latencies.get(latency, 0) + count

    def subtract(self, part: Tally) -> None:
        """Forget a part of what is counted."""
        self.count -= part.count
        self.errors -= part.errors
        for latency, count in part.latencies.items():
            self.latencies[latency] -= count
            if not self.latencies[latency]:
                del self.latencies[latency]

    @property
    def waits(self) -> int:
        """How many latencies there are."""
        return sum(self.latencies.values())

    def without(self, part: Tally) -> Tally:
        """The rest of it."""
        rest = Tally(self.count, self.errors, dict(self.latencies))
        rest.subtract(part)
        return rest

    @property
    def error_percent(self) -> float:
        """Of 100 exchanges, how many failed."""
        return 100 * self.errors / self.count if self.count else 0.0

    @property
    def p95(self) -> float:
        """Seconds within which 95 % began to be answered, to 5 %."""
        left = 0.95 * self.waits
        for latency in sorted(self.latencies):
            left -= self.latencies[latency]
            if left <= 0:
                return _MIN_LENGTH * math.exp(latency * _STEP)
        return 0.0


ByCaller: TypeAlias = Mapping[str, Tally]


def sum_tallies(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    whole = Tally()
    for tally in tallies:
        whole.add_all(tally)
    return whole


def merge_tallies(sides: Iterable[ByCaller]) -> ByCaller:
    """What several workers have counted of the same callers."""
    whole: dict[str, Tally] = {}
    for side in sides:
        for caller, tally in side.items():
            whole.setdefault(caller, Tally()).add_all(tally)
    return whole


class SlidingWindow:
    """What callers have done in the last seconds."""

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _SLOTS
        self._slots: deque[tuple[int, dict[str, Tally]]] = deque()
        self._whole: dict[str, Tally] = {}
        """The sum of all slots."""

    def add(self, now: float, caller: str, seconds: float, *, is_error: bool | None) -> None:
        """Count an exchange that ends now; None: its client has left."""
        slot = int(now / self._width)
        self._forget(slot)
        if not self._slots or self._slots[-1][0] != slot:
            self._slots.append((slot, {}))
        if caller not in self._whole and len(self._whole) >= MAX_CALLERS:
            caller = OTHERS
        for tallies in (self._whole, self._slots[-1][1]):
            if (tally := tallies.get(caller)) is None:
                tally = tallies[caller] = Tally()
            tally.add(seconds, is_error=is_error)

    def tallies(self, now: float) -> ByCaller:
        """What is still within the window; it goes on changing."""
        self._forget(int(now / self._width))
        return self._whole

    def _forget(self, slot: int) -> None:
        while self._slots and self._slots[0][0] <= slot - _SLOTS:
            _, tallies = self._slots.popleft()
            for caller, tally in tallies.items():
                whole = self._whole[caller]
                whole.subtract(tally)
                if not whole.latencies:
                    del self._whole[caller]


def breach(guard: Guard, rule: ByCaller, rest: ByCaller) -> str | None:
    """How a rule breaches its guard, in words; None if it does not."""
    comparable = _count(rest) >= guard.min_count
    if guard.errors_above is not None and _count(rule) >= guard.min_count:
        failed, usual = (_fair(side, guard, _error_percent) for side in (rule, rest))
        expected = usual.error_percent if comparable else 0.0
        if failed.error_percent > expected + guard.errors_above:
            beside = (
                f"beside {expected:.1f} % outside it" if comparable else "and too few outside it"
            )
            whose = _whose(failed.count, _count(rule))
            return (
                f"{failed.error_percent:.1f} % of {failed.count} exchanges{whose} failed, {beside}"
            )
    if guard.p95_ratio is not None and min(_waits(rule), _waits(rest)) >= guard.min_count:
        slow, usual = (_fair(side, guard, _p95) for side in (rule, rest))
        if slow.p95 > usual.p95 * guard.p95_ratio:
            return (
                f"95 % of {slow.waits} answers{_whose(slow.waits, _waits(rule))} began within"
                f" {slow.p95:.3f} s, beside {usual.p95:.3f} s outside it"
            )
    return None


def _fair(side: ByCaller, guard: Guard, measure: Callable[[Tally], float]) -> Tally:
    """All callers' exchanges, or all but one's, if they look better without that caller."""
    least = max(1, guard.min_count * _ENOUGH)
    whole = sum_tallies(side.values())
    others = [whole.without(tally) for tally in side.values() if whole.count - tally.count >= least]
    return min((whole, *others), key=measure)


def _count(side: ByCaller) -> int:
    return sum(tally.count for tally in side.values())


def _waits(side: ByCaller) -> int:
    return sum(tally.waits for tally in side.values())


def _error_percent(tally: Tally) -> float:
    return tally.error_percent


def _p95(tally: Tally) -> float:
    return tally.p95


def _whose(judged: int, all_of_them: int) -> str:
    return f" that count, of {all_of_them}," if judged < all_of_them else ""
