"""
Closing a connection so that its client hears why.

A socket that is closed while something unread is waiting in it is reset, and
the reset may overtake the answer that was written last (RFC 9112, section
9.6). So only our own end is closed at first; what still comes is passed over
until the client closes its end too, or has had time enough.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

_SECONDS: Final = 2.0


class Reader(Protocol):
    """The protocol at our end of a connection."""

    @property
    def has_read_all(self) -> bool:
        """Whether nothing of a request is still on its way."""
        ...

    def stop_reading(self) -> None:
        """Pass over whatever comes from now on."""


class LingeringTransport:
    """A transport of asyncio that closes in two steps where its reader has not read all."""

    def __init__(
        self, transport: asyncio.Transport, reader: Reader, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.write = transport.write
        self._transport = transport
        self._reader = reader
        self._loop = loop
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        """Be the transport in all other respects."""
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether it is closed as far as whoever writes to it is concerned."""
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        """Write what is left to be written, and close."""
        if self.is_closing():
            return
        if self._reader.has_read_all or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._lingers = True
        self._reader.stop_reading()
        self._transport.resume_reading()
        self._transport.write_eof()
        self._loop.call_later(_SECONDS, self._transport.abort)
