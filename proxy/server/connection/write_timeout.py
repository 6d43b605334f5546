"""Let go of a client that does not read, and thereby of the upstream that is asked for it."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from proxy.send_queue import queued_bytes

log = structlog.get_logger()

WRITE_SECONDS: Final = 60.0
"""Time for a client to take some of what waits for it; that of nginx (`send_timeout`)."""
_LOOKS: Final = 8
"""Number of looks at what a client has taken, within `WRITE_SECONDS`."""


class WriteTimeout:
    """
    Aborts a connection once its client has taken nothing for some time.

    It counts the bytes that wait here and, where it tells them, in the kernel. The kernel
    may hold megabytes, and asks for more only when a third of them has been taken, so that
    a slow client would seem not to read for a minute.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, seconds: float
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._since = 0.0

    def start(self) -> None:
        """Begin to look, until nothing waits."""
        if self._timer is None:
            self._waiting = self._waiting_bytes()
            self._since = self._loop.time()
            self._look_later()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _waiting_bytes(self) -> int:
        waiting = self._transport.get_write_buffer_size()
        return waiting + queued_bytes(self._transport) if waiting else 0

    def _look_later(self) -> None:
        if self._waiting:
            self._timer = self._loop.call_later(self._seconds / _LOOKS, self._look)

    def _look(self) -> None:
        self._timer = None
        waiting, now = self._waiting_bytes(), self._loop.time()
        if waiting < self._waiting:
            self._since = now
        self._waiting = waiting
        if now - self._since < self._seconds:
            self._look_later()
        else:
            log.info("client_not_reading", waiting_bytes=waiting)
            self._transport.abort()
