"""
Guards: a rule that does badly loses its share, in every worker, until an operator re-arms it.

Each worker publishes its counts in the shared state and judges by the sum of
all. A trip is stored there, too, and survives restarts; re-arming removes it
and starts the counts again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
import structlog

from proxy.rollout.guard_stats import ByCaller, SlidingWindow, breach, merge_tallies
from proxy.rollout.rule_schema import Guard
from proxy.workers.shared_state import Note, SharedState

log = structlog.get_logger()

TRIPS: Final = "tripped"
_TALLIES: Final = "tallies"
_STALE_SECONDS: Final = 5
"""Age from which a worker's counts are ignored; live workers publish them twice a second."""
_BREACHES_TO_TRIP: Final = 3
"""Judgements in a row that trip a guard: one may see other workers' counts of a moment ago."""


class Trip(msgspec.Struct, frozen=True):
    """The trip of a guard: its rule, the time, and the reason."""

    rule: str
    since: str
    reason: str


class _Pair(msgspec.Struct, frozen=True):
    # A version that did not tell callers apart reads no exchanges in it, and its own is refused.
    rule: ByCaller
    rest: ByCaller


_PAIRS: Final = msgspec.msgpack.Decoder(dict[str, _Pair])
_TRIP: Final = msgspec.json.Decoder(Trip)


class GuardObserver(Protocol):
    """Shows which guards have tripped."""

    def guards_tripped(self, rules: frozenset[str]) -> None:
        """Take the names of all rules whose guards have tripped."""


@dataclass(slots=True)
class _Watched:
    guard: Guard
    rule: SlidingWindow
    rest: SlidingWindow
    breaches: int = 0

    @classmethod
    def by(cls, guard: Guard) -> _Watched:
        return cls(guard, SlidingWindow(guard.window), SlidingWindow(guard.window))


@dataclass(slots=True)
class Guards:
    """Counts exchanges for all guards and trips them, in one worker."""

    shared_state: SharedState
    observer: GuardObserver
    clock: Callable[[], float] = time.monotonic
    trips: Mapping[str, Trip] = field(default_factory=dict[str, Trip])
    """The trips by rule."""
    tripped: frozenset[str] = frozenset()
    _watched: dict[str, _Watched] = field(default_factory=dict[str, _Watched])
    _unwritten: dict[str, Trip] = field(default_factory=dict[str, Trip])

    def watch(self, guards: Mapping[str, Guard]) -> None:
        """Watch these guards from now on; an unchanged one keeps its counts."""
        self.shared_state.expire(_TALLIES, older_than=_STALE_SECONDS)
        self._watched = {
            rule: before
            if (before := self._watched.get(rule)) and before.guard == guard
            else _Watched.by(guard)
            for rule, guard in guards.items()
        }
        self._read_trips()  # so that no request goes by a tripped rule before the first judgement

    def count(
        self, rule: str | None, caller: str, seconds: float, *, is_error: bool | None
    ) -> None:
        """Count an exchange for the guards; `is_error` is None if its client left."""
        now = self.clock()
        for name, watched in self._watched.items():
            side = watched.rule if name == rule else watched.rest
            side.add(now, caller, seconds, is_error=is_error)

    def judge(self) -> None:
        """Add up the counts of all workers, and trip the guards that they breach."""
        self._read_trips()
        if not self._watched:
            return
        now = self.clock()
        mine = {
            rule: _Pair(watched.rule.tallies(now), watched.rest.tallies(now))
            for rule, watched in self._watched.items()
        }
        self.shared_state.publish(_TALLIES, msgspec.msgpack.encode(mine))
        pairs = [mine, *self._tallies_of_others()]
        for rule, watched in self._watched.items():
            about = [pair[rule] for pair in pairs if rule in pair]
            reason = breach(
                watched.guard,
                merge_tallies(pair.rule for pair in about),
                merge_tallies(pair.rest for pair in about),
            )
            watched.breaches = watched.breaches + 1 if reason else 0
            if reason and watched.breaches >= _BREACHES_TO_TRIP and rule not in self.tripped:
                self._trip(rule, reason)

    def _tallies_of_others(self) -> list[dict[str, _Pair]]:
        tallies: list[dict[str, _Pair]] = []
        for note, written in self.shared_state.from_peers(_TALLIES):
            if abs(time.time() - written) < _STALE_SECONDS:  # clocks jump both ways
                try:
                    tallies.append(_PAIRS.decode(note))
                except ValueError:  # that of msgspec, or of UTF-8
                    continue  # of another version of Holdover
        return tallies

    def _trip(self, rule: str, reason: str) -> None:
        trip = Trip(rule, datetime.now(UTC).isoformat(timespec="seconds"), reason)
        log.error("guard_tripped", rule=rule, reason=reason)
        self._unwritten[rule] = trip
        self._read_trips()

    def _read_trips(self) -> None:
        for rule, trip in list(self._unwritten.items()):
            if self.shared_state.write(f"{TRIPS}/{rule}", msgspec.json.encode(trip)):
                del self._unwritten[rule]
        notes = self.shared_state.try_read(TRIPS)
        # Who cannot see whether a guard was re-armed goes by what was.
        written = self.trips if notes is None else read_trips(notes)
        self.trips = {**written, **self._unwritten}
        tripped = frozenset(self.trips) & self._watched.keys()  # a note may outlive its rule
        for rule in self.tripped - tripped:
            log.warning("guard_rearmed", rule=rule)
            if watched := self._watched.get(rule):
                self._watched[rule] = _Watched.by(watched.guard)
        for rule in tripped - self.tripped:
            log.error("share_is_zero", rule=rule, reason=self.trips[rule].reason)
        if tripped != self.tripped:
            self.tripped = tripped
            self.observer.guards_tripped(tripped)


def read_trips(notes: Iterable[Note]) -> dict[str, Trip]:
    """Return the trips by rule; a note that cannot be read still counts as a trip."""
    trips: dict[str, Trip] = {}
    for name, note, _ in notes:
        try:
            trips[name] = _TRIP.decode(note)
        except ValueError:
            trips[name] = Trip(name, "?", "the note about this trip cannot be read")
    return trips
