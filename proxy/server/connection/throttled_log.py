"""A line of the log that a flood may cause: written once in a while, with how often it was due."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger()

_SECONDS: Final = 60


class ThrottledLog:
    """Writes the same event at most once a minute."""

    def __init__(
        self, event: str, *, clock: Callable[[], float] = time.monotonic, **fields: object
    ) -> None:
        self._event = event
        self._clock = clock
        self._fields = fields
        self._count = 0
        self._next = -math.inf

    def warning(self, **fields: object) -> None:
        """Log, or only count; `count` says how many times since the last line."""
        self._count += 1
        now = self._clock()
        if now >= self._next:
            log.warning(self._event, count=self._count, **self._fields, **fields)
            self._count, self._next = 0, now + _SECONDS
