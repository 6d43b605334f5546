"""A connection that there is no room for."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from proxy.error_app import error_response
from proxy.errors import TooManyClients
from proxy.server.connection.lingering_close import LingeringTransport
from proxy.server.connection.write_timeout import WRITE_SECONDS, WriteTimeout

_SECONDS_TO_ASK: Final = 1.0
"""Time for a client to begin its request; some take an answer without a question for an error."""


class RefusedConnection(asyncio.Protocol):
    """Answers whatever is asked with 529, and closes the connection when that has been read."""

    has_read_all = False

    def __init__(self, open_ones: set[RefusedConnection], loop: asyncio.AbstractEventLoop) -> None:
        self._open_ones = open_ones
        open_ones.add(self)
        self._loop = loop
        self._transport: LingeringTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the client a moment to say something."""
        raw = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        write_timeout = WriteTimeout(raw, self._loop, WRITE_SECONDS)
        self._transport = LingeringTransport(raw, self, self._loop, write_timeout)
        self._timer = self._loop.call_later(_SECONDS_TO_ASK, self.shutdown)

    def data_received(self, _: bytes) -> None:
        """Answer at the first byte: the connection stays open until the client has sent all."""
        self.shutdown()

    def connection_lost(self, _: Exception | None) -> None:
        """Make room for another one."""
        self._open_ones.discard(self)
        assert self._timer is not None
        self._timer.cancel()

    def stop_reading(self) -> None:
        """Do nothing: nothing is kept of what is read."""

    def shutdown(self) -> None:
        """Answer and close."""
        assert self._transport is not None
        if self._transport.is_closing():
            return
        status, headers, body = error_response(
            TooManyClients("Holdover has no room for more connections. Try again in a moment.")
        )
        lines = [b"%b: %b\r\n" % header for header in headers]
        self._transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        self._transport.close()
