"""
Accept connections: a few at a time, and no more than there are descriptors for.

asyncio's own server takes as many as the whole backlog in one turn of the event
loop, and where descriptors run out it logs a traceback and waits for a second,
again and again; its clients are reset or find nothing left to ask upstream with.
Here clients beyond the limit are told so (`RefusedConnection`). If even those
are too many, or the system has no descriptor, connections wait in the backlog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from socket import socket
from typing import Final, TypeAlias

from proxy.server.connection.refused_connection import RefusedConnection
from proxy.server.connection.throttled_log import ThrottledLog
from proxy.server.connection.uvicorn_protocol import ServerProtocol

ClientProtocol: TypeAlias = ServerProtocol | RefusedConnection

_PER_TURN: Final = 16
"""Connections to accept before others get a turn: enough for thousands a second, and few enough to
leave some to the other workers."""
_PAUSE_SECONDS: Final = 0.05
_REFUSED_SHARE: Final = 4
"""One connection in so many may be one that is being refused."""


class Acceptor:
    """The listening sockets of a worker; uvicorn closes it like a server of asyncio's."""

    def __init__(
        self,
        listeners: Sequence[socket],
        create_protocol: Callable[[], ServerProtocol],
        *,
        connections: Collection[object],
        limit: int,
    ) -> None:
        """Start to accept; `connections` are those that are open now, at most `limit`."""
        self._loop = asyncio.get_running_loop()
        self._listeners = listeners
        self._create_protocol = create_protocol
        self._connections = connections
        self._connecting: dict[ClientProtocol, asyncio.Task[None]] = {}
        self._refused: set[RefusedConnection] = set()
        self._max_refused = max(1, limit // _REFUSED_SHARE)
        self._limit = max(1, limit - self._max_refused)
        self._is_stopped = False
        self._refusals = ThrottledLog("connections_refused", limit=self._limit)
        self._failures = ThrottledLog("accept_failed")
        for listener in listeners:
            listener.settimeout(0)
            self._watch(listener)

    def stop(self) -> None:
        """
        Accept everything that waits in the backlog, then stop listening.

        What is accepted here is answered once and closed. Other processes that
        share the sockets go on.
        """
        if self._is_stopped:
            return
        self._is_stopped = True
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            while self._accept(listener):
                pass
            listener.close()

    close = stop

    async def wait_closed(self) -> None:
        """Wait until every accepted connection is in its protocol's hands."""
        await asyncio.gather(*self._connecting.values())

    def _watch(self, listener: socket) -> None:
        if not self._is_stopped:  # pragma: no branch - no test can stop it within a pause
            self._loop.add_reader(listener, self._accept_some, listener)

    def _accept_some(self, listener: socket) -> None:
        for _ in range(_PER_TURN):
            if len(self._refused) >= self._max_refused:
                self._pause(listener)
            elif self._accept(listener):
                continue
            return

    def _accept(self, listener: socket) -> bool:
        """Accept a connection; return False if there is none, or none that could be accepted."""
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return False
        except OSError as exc:  # the next one would most likely fail, too
            self._failures.warning(reason=exc.strerror)
            self._pause(listener)
            return False
        connection.settimeout(0)
        # A task may still be about to end when its connection is among those that are open.
        new = sum(protocol not in self._connections for protocol in self._connecting)
        protocol: ClientProtocol
        if len(self._connections) + new < self._limit:
            protocol = self._create_protocol()
        else:
            self._refusals.warning()
            protocol = RefusedConnection(self._refused, self._loop)
        self._connecting[protocol] = self._loop.create_task(self._connect(connection, protocol))
        return True

    def _pause(self, listener: socket) -> None:
        self._loop.remove_reader(listener)
        self._loop.call_later(_PAUSE_SECONDS, self._watch, listener)

    async def _connect(self, connection: socket, protocol: ClientProtocol) -> None:
        await self._loop.connect_accepted_socket(lambda: protocol, connection)
        del self._connecting[protocol]
        if self._is_stopped:
            protocol.shutdown()
