"""
Connections to one origin: made when none is idle, kept for a while when they are.

Only so many are made at a time. Who has to wait gets a turn to make one, or a connection that
becomes idle, whichever is first; callers take turns, so that a flood of one waits for itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, TypeAlias

import httpx

from proxy.fair_queue import FairQueue
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


_Turn: TypeAlias = asyncio.Future[Http11Connection | None]
"""Resolves to a connection that another request has used, or to None if one may be made now."""


@dataclass(frozen=True, slots=True)
class ConnectionCounts:
    """Numbers of connections to upstreams."""

    active: int = 0
    idle: int = 0
    awaited: int = 0
    """Requests that wait for their turn to connect."""

    def __add__(self, other: ConnectionCounts) -> ConnectionCounts:
        return ConnectionCounts(
            self.active + other.active, self.idle + other.idle, self.awaited + other.awaited
        )


class OriginPool:
    """The connections to one origin; the one that was used last is used first."""

    def __init__(self, connector: Connector, keep_alive: float) -> None:
        self._connector = connector
        self._keep_alive = keep_alive
        self._all: set[Http11Connection] = set()
        self._idle: list[Http11Connection] = []
        self._turns_left = _MAX_HANDSHAKES
        self._waiting = FairQueue[_Turn]()
        self._sweeping: asyncio.TimerHandle | None = None

    async def acquire(self, caller: str, seconds: float) -> Http11Connection:
        """Return an idle connection, or one as `connect` does."""
        return self._take_idle() or await self.connect(caller, seconds)

    async def connect(self, caller: str, seconds: float) -> Http11Connection:
        """
        Make a connection when it is this caller's turn, or return one that becomes idle before.

        The time to connect counts from the turn on. Raises `httpx.ConnectTimeout`,
        `httpx.ConnectError` or `httpx.ProxyError`.
        """
        try:
            async with peer_timeout(seconds * _MAX_TURNS):
                while (used := await self._turn_of(caller)) is not None:
                    if used.is_quiet:  # the upstream may have closed it meanwhile
                        return used
                    used.abort()
        except TimeoutError as exc:
            raise httpx.ConnectTimeout("its turn to connect did not come in time") from exc
        try:
            async with peer_timeout(seconds):
                connection = await self._connector.connect(self)
            if not connection.is_open:
                raise ConnectionResetError("It was closed before it was used.")
        except TimeoutError as exc:
            raise httpx.ConnectTimeout("no connection was made in time") from exc
        except (OSError, UnicodeError) as exc:
            raise httpx.ConnectError(str(exc)) from exc
        finally:
            self._end_turn()
        self._all.add(connection)
        return connection

    @property
    def counts(self) -> ConnectionCounts:
        """How many connections there are to this origin."""
        idle = len(self._idle)
        return ConnectionCounts(len(self._all) - idle, idle, len(self._waiting))

    def release(self, connection: Http11Connection) -> None:
        """Take back a connection: a request that waits gets it, or one that comes in a while."""
        if self._waiting and self._is_usable(connection) and self._serve(connection):
            return
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
        while self._idle:
            connection = self._idle.pop()
            if self._is_usable(connection):
                return connection
            connection.abort()
        return None

    async def _turn_of(self, caller: str) -> Http11Connection | None:
        """Return a connection that another request has used, or None if one is to be made."""
        if self._turns_left:
            self._turns_left -= 1
            self._waiting.charge(caller, 1)
            return None
        turn: _Turn = asyncio.get_running_loop().create_future()
        self._waiting.push(caller, turn, 1)
        try:
            return await turn
        except asyncio.CancelledError:
            self._waiting.discard(caller, turn)
            if turn.done() and not turn.cancelled():  # it came too late
                if (used := turn.result()) is None:
                    self._end_turn()
                else:
                    self.release(used)
            raise

    def _end_turn(self) -> None:
        """Let the next one connect."""
        if not self._serve(None):
            self._turns_left += 1

    def _serve(self, used: Http11Connection | None) -> bool:
        """Give a connection, or the turn to make one, to who is next; False if nobody waits."""
        while (turn := self._waiting.pop(lambda _: True)) is not None:
            if not turn.done():  # else it was cancelled, and has not seen it
                turn.set_result(used)
                return True
        return False

    def _is_usable(self, connection: Http11Connection) -> bool:
        now = asyncio.get_running_loop().time()  # the timer of the sweep may be late
        return self._end_of(connection) > now and connection.is_quiet

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
