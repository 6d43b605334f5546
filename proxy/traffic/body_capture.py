"""What was said in one exchange, as it was said and when, until it can be read."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from proxy.rollout.rule_schema import Capture

_MAX_BYTES: Final = 64 * 1024 * 1024
"""Far above what a legacy client can ask for, in its own words and in Messages' together."""
_LAST: Final = 4
"""Of a stream that repeats itself: its last text, its end, and what may come between and after."""

TimedChunks: TypeAlias = list[tuple[float, bytes]]
"""Pieces of a body, each with the milliseconds since the exchange began."""
Keeps: TypeAlias = Literal["nothing", "last", "all"]


@dataclass(slots=True)
class CapturedBody:
    """One body, as it comes."""

    keeps: Keeps
    """`last`, where each piece says all that those before it said: all would be its square."""
    size: int = 0
    pieces: TimedChunks = field(default_factory=list[tuple[float, bytes]], repr=False)
    moments: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """Of each piece of which only the last are kept: when it came, and how long it was."""
    _hash: hashlib.blake2b = field(default_factory=hashlib.blake2b, repr=False)

    @property
    def digest(self) -> bytes:
        """Of all that came; not keyed."""
        return self._hash.digest()

    def take(self, moment: float, piece: bytes) -> None:
        """One more piece."""
        self.size += len(piece)
        self._hash.update(piece)
        if self.keeps == "nothing":
            return
        self.pieces.append((moment, piece))
        if self.keeps == "last":
            self.moments.append((moment, len(piece)))
            del self.pieces[:-_LAST]


@dataclass(slots=True)
class BodyCapture:
    """Runs along with an exchange; nothing of it has been redacted."""

    level: Capture
    started: float
    """As `time.perf_counter` says it."""
    legacy_in: bytes = field(repr=False)
    messages_back: CapturedBody = field(init=False)
    legacy_back: CapturedBody = field(init=False)
    size: int = 0
    """Of all that is to be made ready, in bytes."""
    is_over: bool = False
    """It was too long; what there is would be half of it, so nothing is kept."""

    def __post_init__(self) -> None:
        self.size = 2 * len(self.legacy_in)  # it is sent on as well
        self.begin_attempt(repeats=False)

    def begin_attempt(self, *, repeats: bool) -> None:
        """Somebody is asked; whether the client is told all so far with each piece."""
        self.messages_back = self._heard(repeats=False)
        self.legacy_back = self._heard(repeats=repeats)

    def capture_upstream(self, piece: bytes) -> None:
        """Take a piece of what upstream answers."""
        self._take(self.messages_back, piece)

    def capture_reply(self, piece: bytes) -> None:
        """Take a piece of what the client is told."""
        self._take(self.legacy_back, piece)

    def _heard(self, *, repeats: bool) -> CapturedBody:
        if self.level != "full":
            return CapturedBody("nothing")
        return CapturedBody("last" if repeats else "all")

    def _take(self, heard: CapturedBody, piece: bytes) -> None:
        if heard.keeps == "all":
            self.size += len(piece)
            self.is_over = self.is_over or self.size > _MAX_BYTES
        if self.is_over:
            self.messages_back.pieces.clear()
            self.legacy_back.pieces.clear()
            return
        heard.take(round((time.perf_counter() - self.started) * 1000, 3), piece)
