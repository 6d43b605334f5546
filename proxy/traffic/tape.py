"""What was said in one exchange, as it was said and when, until it can be read."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from proxy.rules import Capture

_MOST_BYTES: Final = 64 * 1024 * 1024
"""Far above what a legacy client can ask for, in its own words and in Messages' together."""

Said: TypeAlias = list[tuple[float, bytes]]
"""Pieces of a body, each with the milliseconds since the exchange began."""


@dataclass(slots=True, kw_only=True)
class Tape:
    """Runs along with an exchange; nothing of it has been redacted."""

    level: Capture
    started: float
    """As `time.perf_counter` says it."""
    legacy_in: bytes = field(repr=False)
    messages_back: Said = field(default_factory=list[tuple[float, bytes]], repr=False)
    legacy_back: Said = field(default_factory=list[tuple[float, bytes]], repr=False)
    size: int = 0
    is_over: bool = False
    """It was too long; what there is would be half of it, so nothing is kept."""

    def __post_init__(self) -> None:
        self.size = len(self.legacy_in)

    def hear_upstream(self, piece: bytes) -> None:
        """Take a piece of what upstream answers."""
        self._take(self.messages_back, piece)

    def hear_reply(self, piece: bytes) -> None:
        """Take a piece of what the client is told."""
        self._take(self.legacy_back, piece)

    def forget_upstream(self) -> None:
        """Somebody else is asked instead."""
        self.messages_back.clear()

    def _take(self, said: Said, piece: bytes) -> None:
        self.size += len(piece)
        self.is_over = self.is_over or self.size > _MOST_BYTES
        if self.is_over:
            self.messages_back.clear()
            self.legacy_back.clear()
            return
        said.append((round((time.perf_counter() - self.started) * 1000, 3), piece))
