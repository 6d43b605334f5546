"""
Tells other workers what upstream's refusals have taught, and learns what they were taught.

Each worker has a note in the shared state with its own lessons. It outlives a restart: the
models are the same afterwards, and a lesson is believed for a limited time anyway.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from proxy.upstream.learned_capabilities import LearnedCapabilities, Lessons
from proxy.workers.shared_state import LESSONS, SharedState

_POLL_SECONDS: Final = 1


class _Note(msgspec.Struct, frozen=True):
    upstream: str
    """Digest of the URL that has taught them: servers with one state directory may have others."""
    written: float
    """Seconds since the epoch, from which those in `lessons` count."""
    lessons: Lessons


_NOTE: Final = msgspec.json.Decoder(_Note)


@dataclass(slots=True)
class LessonSharing:
    """Shares what one worker has learned with the others."""

    shared_state: SharedState
    learned: LearnedCapabilities
    seconds: float
    """Seconds for which a lesson is believed."""
    upstream_url: Callable[[], str]
    """Returns the upstream that is asked now."""
    _told: int = 0
    """Version of the lessons in this worker's note."""

    async def keep_up(self) -> None:
        """Share every second until the task is cancelled."""
        self.shared_state.expire(LESSONS, older_than=self.seconds)
        while True:
            self.share()
            await asyncio.sleep(_POLL_SECONDS)

    def share(self) -> None:
        """Tell what is new, and hear what the other workers have told."""
        now, version = time.time(), self.learned.version
        upstream = hashlib.blake2b(self.upstream_url().encode(), digest_size=8).hexdigest()
        if version != self._told:
            own = _Note(upstream, now, self.learned.own())
            self.shared_state.publish(LESSONS, msgspec.json.encode(own))
            self._told = version
        told: list[Lessons] = []
        for text in self.shared_state.from_peers(LESSONS, within=self.seconds):
            with suppress(ValueError):  # written by another version, or unreadable
                note = _NOTE.decode(text)
                if note.upstream == upstream:
                    told.append(_aged(note.lessons, now - note.written))
        self.learned.hear(told)


def _aged(lessons: Lessons, seconds: float) -> Lessons:
    """Return what is still to be believed of lessons that were told so many seconds ago."""
    return Lessons(
        models=tuple(
            replace(each, seconds=each.seconds - seconds)
            for each in lessons.models
            if each.seconds > seconds
        ),
        user_ids={
            opaque: left - seconds for opaque, left in lessons.user_ids.items() if left > seconds
        },
    )
