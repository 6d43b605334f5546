"""Sessions of people who have signed in; they are kept in memory and end after twelve hours."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

SECONDS: Final = 12 * 3600
"""Seconds after which a session ends."""
_MAX_SESSIONS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """A page that shows what taking a change back would do, and does it."""

    words: str
    url: str


@dataclass(slots=True)
class Session:
    """Somebody who has signed in."""

    name: str
    """The name under which changes are written down."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """Text that each form of the console holds, and that no other site can know."""
    ends: float = 0.0
    notice: str | None = None
    """Sentence about the last change, which the next page shows once."""

    undo: Undo | None = None
    """How to take the last change back, shown beside the notice."""

    def take_undo(self) -> Undo | None:
        """Return how the last change is taken back, which is not shown again."""
        undo, self.undo = self.undo, None
        return undo

    def take_notice(self) -> str | None:
        """Return the notice, which is not shown again."""
        notice, self.notice = self.notice, None
        return notice


class Sessions:
    """All sessions; the oldest ends early if there are too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_id: dict[bytes, Session] = {}
        """Sessions by the hash of their id, so that looking one up tells nothing by its time."""

    def begin(self, name: str) -> str:
        """Begin a session; return its id for the cookie."""
        now = self._clock()
        self._by_id = {key: each for key, each in self._by_id.items() if each.ends > now}
        if len(self._by_id) >= _MAX_SESSIONS:
            del self._by_id[next(iter(self._by_id))]
        session_id = secrets.token_urlsafe(32)
        self._by_id[_key(session_id)] = Session(name, ends=now + SECONDS)
        return session_id

    def find(self, session_id: str) -> Session | None:
        """Return the session with this id, or None if there is none any more."""
        session = self._by_id.get(_key(session_id))
        return session if session is not None and session.ends > self._clock() else None

    def end(self, session_id: str) -> None:
        """End a session, if there is such a one."""
        self._by_id.pop(_key(session_id), None)


def _key(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode(errors="replace")).digest()
