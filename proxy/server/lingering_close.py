"""
Close connections so that clients still receive the last response.

Closing a socket while it holds unread data resets the connection, and the
reset may overtake the response that was just written (RFC 9112, section 9.6).
So we first close only our sending side, and discard what still arrives until
the client closes its side too or a timeout has passed.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

_LINGER_SECONDS: Final = 2.0


class RequestReader(Protocol):
    """The asyncio protocol that reads requests from the connection."""

    @property
    def has_read_all(self) -> bool:
        """True if no part of a request is still outstanding."""
        ...

    def stop_reading(self) -> None:
        """Discard everything that arrives from now on."""


class LingeringTransport:
    """An asyncio transport that closes in two steps while its reader has data outstanding."""

    def __init__(
        self, transport: asyncio.Transport, reader: RequestReader, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.write = transport.write
        self._transport = transport
        self._reader = reader
        self._loop = loop
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
        if self._reader.has_read_all or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._lingers = True
        self._reader.stop_reading()
        self._transport.resume_reading()
        self._transport.write_eof()
        self._loop.call_later(_LINGER_SECONDS, self._transport.abort)
