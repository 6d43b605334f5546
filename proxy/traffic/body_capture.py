"""In-memory capture of the bodies of one exchange, with the arrival time of each chunk."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from proxy.rollout.rule_schema import Capture

_MAX_BYTES: Final = 64 * 1024 * 1024
"""Limit on the bodies of one exchange; far more than a legacy request can lead to."""
_LAST_CHUNKS: Final = 4
"""
Chunks kept of a cumulative stream: its last text, its end, and pings or errors around them.
"""

TimedChunks: TypeAlias = list[tuple[float, bytes]]
"""Chunks of a body, each with the milliseconds since the exchange began."""
Keeps: TypeAlias = Literal["nothing", "last", "all"]


@dataclass(slots=True)
class CapturedBody:
    """A body that is captured chunk by chunk."""

    keeps: Keeps
    """
    `last` for the cumulative dialect: every event repeats the whole text, so keeping all of
    them would take memory quadratic in the length of the answer.
    """
    size: int = 0
    chunks: TimedChunks = field(default_factory=list[tuple[float, bytes]], repr=False)
    arrivals: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """Arrival time and size of each chunk, recorded only if `keeps` is `last`."""
    _hash: hashlib.blake2b = field(default_factory=hashlib.blake2b, repr=False)

    @property
    def digest(self) -> bytes:
        """Unkeyed BLAKE2b digest of the whole body."""
        return self._hash.digest()

    def take(self, at_ms: float, chunk: bytes) -> None:
        """Add a chunk that arrived `at_ms` milliseconds after the exchange began."""
        self.size += len(chunk)
        self._hash.update(chunk)
        if self.keeps == "nothing":
            return
        self.chunks.append((at_ms, chunk))
        if self.keeps == "last":
            self.arrivals.append((at_ms, len(chunk)))
            del self.chunks[:-_LAST_CHUNKS]


@dataclass(slots=True)
class BodyCapture:
    """Captures the bodies of one exchange while it runs; nothing is redacted yet."""

    level: Capture
    started: float
    """Start of the exchange on the clock of `time.perf_counter`."""
    legacy_in: bytes = field(repr=False)
    messages_back: CapturedBody = field(init=False)
    legacy_back: CapturedBody = field(init=False)
    size: int = 0
    """Bytes that have to be redacted and compressed when the exchange ends."""
    is_too_large: bool = False
    """True if the limit was exceeded; then no body is kept, as all would be incomplete."""

    def __post_init__(self) -> None:
        self.size = 2 * len(
            self.legacy_in
        )  # counted twice, because the translated request is kept as well
        self.begin_attempt(repeats=False)

    def begin_attempt(self, *, repeats: bool) -> None:
        """Start capturing the answer of a leg; `repeats` if each chunk repeats the text so far."""
        self.messages_back = self._new_body(repeats=False)
        self.legacy_back = self._new_body(repeats=repeats)

    def capture_upstream(self, chunk: bytes) -> None:
        """Add a chunk of the upstream's response."""
        self._take(self.messages_back, chunk)

    def capture_reply(self, chunk: bytes) -> None:
        """Add a chunk of the response to the client."""
        self._take(self.legacy_back, chunk)

    def _new_body(self, *, repeats: bool) -> CapturedBody:
        if self.level != "full":
            return CapturedBody("nothing")
        return CapturedBody("last" if repeats else "all")

    def _take(self, body: CapturedBody, chunk: bytes) -> None:
        if body.keeps == "all":
            self.size += len(chunk)
            self.is_too_large = self.is_too_large or self.size > _MAX_BYTES
        if self.is_too_large:
            self.messages_back.chunks.clear()
            self.legacy_back.chunks.clear()
            return
        body.take(round((time.perf_counter() - self.started) * 1000, 3), chunk)
