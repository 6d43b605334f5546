"""
Guards: a rule that performs badly loses its share in every worker until it is re-armed.

Each worker publishes its counts in the shared state and judges by the sum of all workers. A
trip is a note that survives restarts; an operator re-arms the guard by removing it, and
counting starts from zero.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from proxy.late_log import log
from proxy.rollout.guard_stats import ByCaller, SlidingWindow, breach, merge_tallies
from proxy.rollout.rule_schema import Guard
from proxy.security.redaction import describe_crash
from proxy.workers.shared_state import TALLIES, TRIPS, Note, SharedState

_JUDGE_SECONDS: Final = 0.5
_STALE_SECONDS: Final = 5
"""Live workers publish their tallies twice a second; older ones are of ended workers."""
_BREACHES_TO_TRIP: Final = 3
"""Consecutive breaches; a single one may rest on outdated counts of other workers."""


class Trip(msgspec.Struct, frozen=True):
    """A tripped guard: its rule, the time in ISO 8601, and the reason."""

    rule: str
    since: str
    reason: str


class _Pair(msgspec.Struct, frozen=True):
    # An older version, which did not distinguish callers, reads zero exchanges from this.
    rule: ByCaller
    rest: ByCaller


_PAIRS: Final = msgspec.msgpack.Decoder(dict[str, _Pair])
_TRIP: Final = msgspec.json.Decoder(Trip)


class GuardObserver(Protocol):
    """Shows tripped guards, for example as a metric."""

    def guards_tripped(self, rules: frozenset[str]) -> None:
        """Report all rules whose guards are tripped now."""


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
    """The guards of all rules, as seen by one worker."""

    shared_state: SharedState
    observer: GuardObserver
    clock: Callable[[], float] = time.monotonic
    trips: Mapping[str, Trip] = field(default_factory=dict[str, Trip])
    """The known trips, by rule; a trip may outlive its rule."""
    tripped: frozenset[str] = frozenset()
    _watched: dict[str, _Watched] = field(default_factory=dict[str, _Watched])
    _unwritten: dict[str, Trip] = field(default_factory=dict[str, Trip])

    def watch(self, guards: Mapping[str, Guard]) -> None:
        """Replace the guards; counts of a guard that stays the same are kept."""
        self.shared_state.expire(TALLIES, older_than=_STALE_SECONDS)
        self._watched = {
            rule: before
            if (before := self._watched.get(rule)) and before.guard == guard
            else _Watched.by(guard)
            for rule, guard in guards.items()
        }
        self._read_trips()  # so that no request follows a tripped rule before the first `judge`

    def count(
        self, rule: str | None, caller: str, seconds: float, *, is_error: bool | None
    ) -> None:
        """Count one exchange; `is_error` is None if the client disconnected."""
        now = self.clock()
        for name, watched in self._watched.items():
            side = watched.rule if name == rule else watched.rest
            side.add(now, caller, seconds, is_error=is_error)

    async def keep_judging(self) -> None:
        """Judge until cancelled."""
        while True:
            try:
                self.judge()
            except Exception as exc:  # noqa: BLE001 - no crash may end the judging
                log.error("judging_crashed", **describe_crash(exc))
            await asyncio.sleep(_JUDGE_SECONDS)

    def judge(self) -> None:
        """Publish this worker's tallies, and trip the guards that all tallies together breach."""
        self._read_trips()
        if not self._watched:
            return
        now = self.clock()
        # What was counted before a trip is no reason to trip again for a worker that has learnt
        # sooner that the guard was re-armed, which on another machine may be seconds.
        mine = {
            rule: _Pair(watched.rule.tallies(now), watched.rest.tallies(now))
            for rule, watched in self._watched.items()
            if rule not in self.tripped
        }
        self.shared_state.publish(TALLIES, msgspec.msgpack.encode(mine))
        pairs = [mine]
        for note in self.shared_state.from_peers(TALLIES, within=_STALE_SECONDS):
            with suppress(ValueError):  # another version of Holdover wrote it
                pairs.append(_PAIRS.decode(note))
        for rule, watched in self._watched.items():
            known = [pair[rule] for pair in pairs if rule in pair]
            reason = breach(
                watched.guard,
                merge_tallies(pair.rule for pair in known),
                merge_tallies(pair.rest for pair in known),
            )
            watched.breaches = watched.breaches + 1 if reason else 0
            if reason and watched.breaches >= _BREACHES_TO_TRIP and rule not in self.tripped:
                log.error("guard_tripped", rule=rule, reason=reason)
                since = datetime.now(UTC).isoformat(timespec="seconds")
                self._unwritten[rule] = Trip(rule, since, reason)
                self._read_trips()

    def _read_trips(self) -> None:
        for rule, trip in list(self._unwritten.items()):
            if self.shared_state.write(f"{TRIPS}/{rule}", msgspec.json.encode(trip)):
                del self._unwritten[rule]
        notes = self.shared_state.try_read(TRIPS)
        # If notes cannot be read, re-arming cannot be seen either: keep the known trips.
        written = self.trips if notes is None else read_trips(notes)
        self.trips = {**written, **self._unwritten}
        tripped = (
            frozenset(self.trips) & self._watched.keys()
        )  # a note may outlive its rule, which is no longer watched
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
    """Return trips by rule; an unreadable note still counts as a trip."""
    trips: dict[str, Trip] = {}
    for name, note, _ in notes:
        try:
            trips[name] = _TRIP.decode(note)
        except ValueError:
            trips[name] = Trip(name, "?", "the note about this trip cannot be read")
    return trips
