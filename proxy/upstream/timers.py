"""
Timers for what a peer has to do in time, which do not blame it for this process's own delay.

A timer that fires late shows that the event loop was held up: what the peer has sent in the
meantime is still unread. So the peer gets some overtime, in which the loop reads it. An event loop
that is late again and again cannot put the end off for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

_LATE_SECONDS: Final = 0.1
"""Delay of a timer that shows a busy process; an idle one has delays of a millisecond."""
_MIN_OVERTIME_SECONDS: Final = 1.0
"""Enough for the round trips of a handshake, to any place on earth."""
_MAX_OVERTIMES: Final = 4


class PeerTimer:
    """Calls back once after some seconds, or later if the event loop was held up."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, expired: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._expired = expired
        self._overtimes_left = _MAX_OVERTIMES
        self._due = loop.time() + seconds
        self._handle: asyncio.TimerHandle | None = loop.call_at(self._due, self._fire)

    def cancel(self) -> None:
        """Call back no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        now = self._loop.time()
        late = now - self._due
        if late > _LATE_SECONDS and self._overtimes_left:
            self._overtimes_left -= 1
            self._due = now + min(self._seconds, max(late, _MIN_OVERTIME_SECONDS))
            self._handle = self._loop.call_at(self._due, self._fire)
        else:
            self._handle = None
            self._expired()


@asynccontextmanager
async def peer_timeout(seconds: float) -> AsyncIterator[None]:
    """Raise `TimeoutError` like `asyncio.timeout`, but not for a delay of the event loop's."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as timeout:
        timer = PeerTimer(loop, seconds, lambda: timeout.reschedule(loop.time()))
        try:
            yield
        finally:
            timer.cancel()
