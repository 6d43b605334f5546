"""Connections to one origin: made when none is idle, kept for a while when they are."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final, TypeAlias

import aiohappyeyeballs
import httpx

from proxy.upstream.http11 import Http11Connection

KEEP_IDLE_SECONDS: Final = 15
"""Seconds that an idle connection is kept; later the upstream is likely to close it in use."""
_HEAD_START_SECONDS: Final = 0.25
"""Time for which one address of a name is tried alone (RFC 8305, section 8)."""

Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""


class OriginPool:
    """The connections to one origin; the one that was used last is used first."""

    def __init__(self, origin: Origin, context: ssl.SSLContext, keep_idle: float) -> None:
        self._origin = origin
        self._keep_idle = keep_idle
        self._context = context if origin[0] == "https" else None
        self._all: set[Http11Connection] = set()
        self._idle: list[Http11Connection] = []
        """Idle connections, the one that has been idle for longest first."""
        self._sweeping: asyncio.TimerHandle | None = None

    def idle(self) -> Http11Connection | None:
        """Return an idle connection, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def connect(self, timeout: float) -> Http11Connection:  # noqa: ASYNC109 - httpx has it
        """Make a new connection; raises `httpx.ConnectTimeout` or `httpx.ConnectError`."""
        _, host, port = self._origin
        try:
            async with asyncio.timeout(timeout):
                connection = await self._connect(host, port)
            if not connection.is_open:
                raise ConnectionResetError("It was closed before it was used.")
        except TimeoutError as exc:
            raise httpx.ConnectTimeout(str(exc)) from exc
        except (OSError, UnicodeError) as exc:  # a name too long for the DNS is the latter
            raise httpx.ConnectError(str(exc)) from exc
        self._all.add(connection)
        return connection

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

    async def _connect(self, host: str, port: int) -> Http11Connection:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_HEAD_START_SECONDS, interleave=1, loop=loop
        )
        try:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            _, connection = await loop.create_connection(
                lambda: Http11Connection(self, loop),
                sock=connected,
                ssl=self._context,
                server_hostname=host if self._context else None,
            )
        except BaseException:
            connected.close()
            raise
        return connection

    def _sweep(self) -> None:
        """Close what has been idle for too long; look again when the next one will have been."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._idle and self._idle[0].idle_since + self._keep_idle <= now:
            self._idle.pop(0).abort()
        self._sweeping = None
        if self._idle:
            then = self._idle[0].idle_since + self._keep_idle
            self._sweeping = loop.call_at(then, self._sweep)
