"""
Remembers which callers the models were asked for lately, across all workers.

A worker notes callers in memory. Every two seconds the workers exchange what they know through
the shared state, where it also outlives a restart.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

import msgspec

from proxy.workers.shared_state import SharedState

_Hours: TypeAlias = dict[str, dict[str, int]]
"""Hour of the last request, counted since the epoch, by model and caller."""

_TOPIC: Final = "model_users"
_POLL_SECONDS: Final = 2
_HOUR: Final = 3600
_REMEMBERED_HOURS: Final = 7 * 24
_MAX_CALLERS: Final = 100
"""Limit on the callers of a model; those that were seen last are kept."""
_HOURS: Final = msgspec.json.Decoder(_Hours)


class ModelUsers:
    """Callers by the model that was asked for them, as known to one worker."""

    def __init__(self, shared_state: SharedState, clock: Callable[[], float] = time.time) -> None:
        self._shared_state = shared_state
        self._clock = clock
        self._seen: _Hours = {}
        self._seen_by_others: list[_Hours] = []
        self._has_news = False

    def note(self, model: str, caller: str) -> None:
        """Note that a model of the catalogue was asked for a caller."""
        callers, hour = self._seen.setdefault(model, {}), int(self._clock() // _HOUR)
        if callers.get(caller) != hour:
            callers.pop(caller, None)
            if len(callers) >= _MAX_CALLERS:
                del callers[next(iter(callers))]
            callers[caller] = hour
            self._has_news = True

    def callers_of(self, model: str) -> tuple[str, ...]:
        """Return the callers of the last seven days in the order of the alphabet, at most 100."""
        last: dict[str, int] = {}
        for seen in (self._seen, *self._seen_by_others):
            for caller, hour in seen.get(model, {}).items():
                last[caller] = max(hour, last.get(caller, hour))
        since = self._clock() // _HOUR - _REMEMBERED_HOURS
        recent = sorted(
            (caller for caller in last if last[caller] >= since), key=lambda each: -last[each]
        )
        return tuple(sorted(recent[:_MAX_CALLERS]))

    async def keep_up(self) -> None:
        """Call `compare_notes` every two seconds until the task is cancelled."""
        self._shared_state.expire(_TOPIC, older_than=_REMEMBERED_HOURS * _HOUR)
        while True:
            self.compare_notes()
            await asyncio.sleep(_POLL_SECONDS)

    def compare_notes(self) -> None:
        """Publish what is new, and read what the other workers have published."""
        if self._has_news:
            self._shared_state.publish(_TOPIC, msgspec.json.encode(self._seen))
            self._has_news = False
        self._seen_by_others = []
        for note in self._shared_state.from_peers(_TOPIC):
            with suppress(ValueError):  # written by another version, or unreadable
                self._seen_by_others.append(_HOURS.decode(note))
