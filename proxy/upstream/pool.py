"""Connections to one origin: made when none is idle, kept for a while when they are."""

from __future__ import annotations

import asyncio
from typing import Final

import httpx

from proxy.upstream.connector import Connector
from proxy.upstream.http11 import Http11Connection
from proxy.upstream.timers import peer_timeout

KEEP_ALIVE_SECONDS: Final = 15
"""Seconds that an idle connection is kept; later the upstream is likely to close it in use."""
_MAX_HANDSHAKES: Final = 128
"""
Most connections that are being made at a time; more requests than a worker begins (500/s) during a
slow handshake (0.25 s). With more at once each would take longer than its timeout by itself.
"""
_MAX_TURNS: Final = 3
"""
Connect timeouts that a request waits for its turn. If nobody's turn has come for so long, those
before it have run out of time one after the other.
"""


class OriginPool:
    """The connections to one origin; the one that was used last is used first."""

    def __init__(self, connector: Connector, keep_alive: float) -> None:
        self._connector = connector
        self._keep_alive = keep_alive
        self._all: set[Http11Connection] = set()
        self._idle: list[Http11Connection] = []
        self._turns = asyncio.Semaphore(_MAX_HANDSHAKES)
        """First come, first served."""
        self._sweeping: asyncio.TimerHandle | None = None

    async def acquire(self, timeout: float) -> Http11Connection:  # noqa: ASYNC109 - httpx has it
        """Return an idle connection, or make a new one; raises like `connect`."""
        return self._take_idle() or await self._connect(timeout, may_be_idle=True)

    async def connect(self, timeout: float) -> Http11Connection:  # noqa: ASYNC109
        """
        Make a new connection as soon as it is this request's turn.

        The time to connect counts from then on. Raises `httpx.ConnectTimeout`,
        `httpx.ConnectError` or `httpx.ProxyError`.
        """
        return await self._connect(timeout, may_be_idle=False)

    @property
    def counts(self) -> tuple[int, int]:
        """How many connections there are, and how many of them are idle."""
        return len(self._all), len(self._idle)

    def release(self, connection: Http11Connection) -> None:
        """Take back a connection that another request may use, for a while."""
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweep()

    def discard(self, connection: Http11Connection) -> None:
        """Forget a connection that is closed."""
        self._all.discard(connection)

    def close(self) -> None:
        """Close all connections."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        self._idle.clear()
        for connection in list(self._all):
            connection.abort()

    def _take_idle(self) -> Http11Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if self._end_of(connection) > now and connection.is_quiet:  # the timer may be late
                return connection
            connection.abort()
        return None

    async def _connect(self, seconds: float, *, may_be_idle: bool) -> Http11Connection:
        try:
            async with peer_timeout(seconds * _MAX_TURNS):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise httpx.ConnectTimeout("its turn to connect did not come in time") from exc
        try:
            if may_be_idle and (connection := self._take_idle()) is not None:
                return connection
            async with peer_timeout(seconds):
                connection = await self._connector.connect(self)
            if not connection.is_open:
                raise ConnectionResetError("It was closed before it was used.")
        except TimeoutError as exc:
            raise httpx.ConnectTimeout("no connection was made in time") from exc
        except (OSError, UnicodeError) as exc:
            raise httpx.ConnectError(str(exc)) from exc
        finally:
            self._turns.release()
        self._all.add(connection)
        return connection

    def _end_of(self, connection: Http11Connection) -> float:
        """Return the time at which an idle connection is closed, before the upstream does it."""
        return connection.idle_since + min(self._keep_alive, connection.keep_alive)

    def _sweep(self) -> None:
        """Close what has been idle for too long; look again when the next one will have been."""
        loop = asyncio.get_running_loop()
        now, waiting, self._idle = loop.time(), self._idle, []
        for connection in waiting:
            if self._end_of(connection) > now:
                self._idle.append(connection)
            else:
                connection.abort()
        self._sweeping = None
        if self._idle:
            self._sweeping = loop.call_at(min(map(self._end_of, self._idle)), self._sweep)
