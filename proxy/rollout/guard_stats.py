"""
Statistics that compare a rule with the rest of the traffic over a sliding window.

Exchanges are counted by caller, because a single caller can cause any number
of errors. Each side (the rule, and the rest) is judged without the caller that
makes it look worst. So a single caller can neither trip a guard while others
do well, nor hide that the others do badly. If a side has too few exchanges of
other callers, all its exchanges count. No caller's
count is capped, since the sides would not compare; so a caller with much
successful traffic outweighs the others.

If a client leaves before its answer begins, its waiting time counts as a
latency, but the exchange counts neither as a success nor as an error.

Latencies are counted in classes, each 5 % wider than the last, so that the
counts of several workers can be added up.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from proxy.rollout.rule_schema import Guard

_SLOTS: Final = 60
"""Number of slots into which a window is divided; the oldest slot is dropped as a whole."""
_STEP: Final = math.log(1.05)
_MIN_LENGTH: Final = 0.001
"""Upper end of the lowest latency class, in seconds."""
MAX_CALLERS: Final = 32
"""Limit on callers counted separately; keys are easy to invent, so further callers are merged."""
OTHERS: Final = ""
"""Name under which callers beyond `MAX_CALLERS` are counted together."""
_ENOUGH: Final = 0.1
"""Fraction of `min_count` that the other callers must reach before the worst one is left out."""


class Tally(msgspec.Struct):
    """Counts of exchanges, errors and latencies (seconds until the answer began, by class)."""

    count: int = 0
    errors: int = 0
    latencies: dict[int, int] = msgspec.field(default_factory=dict[int, int])

    def add(self, seconds: float, *, is_error: bool | None) -> None:
        """Count an exchange; `is_error` is None if its client left before the answer began."""
        if is_error is not None:
            self.count += 1
            self.errors += is_error
        latency = max(0, math.ceil(math.log(max(seconds, _MIN_LENGTH) / _MIN_LENGTH) / _STEP))
        self.latencies[latency] = self.latencies.get(latency, 0) + 1

    def add_all(self, other: Tally) -> None:
        """Add the counts of another tally."""
        self.count += other.count
        self.errors += other.errors
        for latency, count in other.latencies.items():
            self.latencies[latency] = self.latencies.get(latency, 0) + count

    def subtract(self, part: Tally) -> None:
        """Subtract counts that were added earlier."""
        self.count -= part.count
        self.errors -= part.errors
        for latency, count in part.latencies.items():
            self.latencies[latency] -= count
            if not self.latencies[latency]:
                del self.latencies[latency]

    @property
    def waits(self) -> int:
        """Number of latencies, including those of clients that left."""
        return sum(self.latencies.values())

    def without(self, part: Tally) -> Tally:
        """Return a copy without the counts of `part`."""
        rest = Tally(self.count, self.errors, dict(self.latencies))
        rest.subtract(part)
        return rest

    @property
    def error_percent(self) -> float:
        """Percent of the exchanges that failed."""
        return 100 * self.errors / self.count if self.count else 0.0

    @property
    def p95(self) -> float:
        """Seconds within which 95 % of the answers began, precise to 5 %."""
        left = 0.95 * self.waits
        for latency in sorted(self.latencies):
            left -= self.latencies[latency]
            if left <= 0:
                return _MIN_LENGTH * math.exp(latency * _STEP)
        return 0.0


ByCaller: TypeAlias = Mapping[str, Tally]


def sum_tallies(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of several tallies."""
    whole = Tally()
    for tally in tallies:
        whole.add_all(tally)
    return whole


def merge_tallies(sides: Iterable[ByCaller]) -> ByCaller:
    """Add up the tallies of several workers, caller by caller."""
    whole: dict[str, Tally] = {}
    for side in sides:
        for caller, tally in side.items():
            whole.setdefault(caller, Tally()).add_all(tally)
    return whole


class SlidingWindow:
    """Tallies by caller over the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _SLOTS
        self._slots: deque[tuple[int, dict[str, Tally]]] = deque()
        self._whole: dict[str, Tally] = {}
        """The sum of all slots."""

    def add(self, now: float, caller: str, seconds: float, *, is_error: bool | None) -> None:
        """Count an exchange that ends now; `is_error` is None if its client has left."""
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
        """Return the live tallies of the window; later exchanges change them."""
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
    """Return a sentence on how a rule breaches its guard; None if it does not."""
    comparable = _count(rest) >= guard.min_count
    if guard.errors_above is not None and _count(rule) >= guard.min_count:
        failed, usual = (
            _fair(side, guard, lambda tally: tally.error_percent) for side in (rule, rest)
        )
        expected = usual.error_percent if comparable else 0.0
        if failed.error_percent > expected + guard.errors_above:
            beside = (
                f"compared with {expected:.1f} % outside the rule"
                if comparable
                else "with too few outside the rule to compare"
            )
            whose = _whose(failed.count, _count(rule))
            return (
                f"{failed.error_percent:.1f} % of {failed.count} exchanges{whose} failed, {beside}"
            )
    if guard.p95_ratio is not None and min(_waits(rule), _waits(rest)) >= guard.min_count:
        slow, usual = (_fair(side, guard, lambda tally: tally.p95) for side in (rule, rest))
        if slow.p95 > usual.p95 * guard.p95_ratio:
            return (
                f"95 % of {slow.waits} answers{_whose(slow.waits, _waits(rule))} began within"
                f" {slow.p95:.3f} s, compared with {usual.p95:.3f} s outside the rule"
            )
    return None


def _fair(side: ByCaller, guard: Guard, measure: Callable[[Tally], float]) -> Tally:
    """Return the sum of all tallies, or of all but the worst caller's if that is better."""
    least = max(1, guard.min_count * _ENOUGH)
    whole = sum_tallies(side.values())
    others = [whole.without(tally) for tally in side.values() if whole.count - tally.count >= least]
    return min((whole, *others), key=measure)


def _count(side: ByCaller) -> int:
    return sum(tally.count for tally in side.values())


def _waits(side: ByCaller) -> int:
    return sum(tally.waits for tally in side.values())


def _whose(judged: int, all_of_them: int) -> str:
    return f" ({all_of_them} with the worst caller)" if judged < all_of_them else ""
