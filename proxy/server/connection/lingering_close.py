"""
Close connections so that clients still receive the last response.

Closing a socket while it holds unread data resets the connection, and the
reset may overtake the response that was just written (RFC 9112, section 9.6).
So we first close only our sending side, and discard what still arrives until
the client closes its side too, falls silent, or takes too long.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Protocol

from proxy.server.connection.write_timeout import WriteTimeout


class RequestReader(Protocol):
    """The asyncio protocol that reads requests from the connection."""

    @property
    def has_read_all(self) -> bool:
        """True if no part of a request is still outstanding."""
        ...

    def stop_reading(self) -> None:
        """Discard everything that arrives from now on."""

    def connection_lost(self, exc: Exception | None, /) -> None:
        """Forget the connection."""


class LingeringTransport:
    """An asyncio transport that closes in two steps while its reader has data outstanding."""

    silence_seconds: ClassVar[float] = 2
    """Time without a byte after which nobody is taken to be still sending."""
    linger_seconds: ClassVar[float] = 30
    """Time for the rest of a request, that of nginx (`lingering_time`): many clients read nothing
    before they have sent everything."""

    def __init__(
        self,
        transport: asyncio.Transport,
        reader: RequestReader,
        loop: asyncio.AbstractEventLoop,
        write_timeout: WriteTimeout,
    ) -> None:
        self.write = transport.write
        self._transport = transport
        self._reader = reader
        self._loop = loop
        self._write_timeout = write_timeout
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the transport."""
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Return True once no more can be written."""
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        """Send what is buffered, then close, lingering if the reader has data outstanding."""
        if self.is_closing():
            return
        self._write_timeout.start()
        if self._reader.has_read_all or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._lingers = True
        self._reader.stop_reading()
        self._transport.set_protocol(
            _Remainder(
                self._transport,
                self._reader,
                self._loop,
                silence=self.silence_seconds,
                linger=self.linger_seconds,
            )
        )
        self._transport.resume_reading()
        self._transport.write_eof()


class _Remainder(asyncio.Protocol):
    """Takes the place of the reader, and discards the rest of its request."""

    def __init__(
        self,
        transport: asyncio.Transport,
        reader: RequestReader,
        loop: asyncio.AbstractEventLoop,
        *,
        silence: float,
        linger: float,
    ) -> None:
        self._transport = transport
        self._reader = reader
        self._loop = loop
        self._silence = silence
        self._ends = loop.time() + linger
        self._has_heard = False
        self._timer = loop.call_later(silence, self._look)

    def data_received(self, _: bytes) -> None:
        """Note that the client is still sending."""
        self._has_heard = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader."""
        self._timer.cancel()
        self._reader.connection_lost(exc)

    def _look(self) -> None:
        # Whether a client still reads is the business of the write timeout.
        is_busy = self._has_heard or self._transport.get_write_buffer_size()
        if not is_busy or self._loop.time() >= self._ends:
            self._transport.abort()
            return
        self._has_heard = False
        self._timer = self._loop.call_later(self._silence, self._look)
