"""
Send the head of a response and the first bytes after it in one write.

uvicorn writes the head as soon as it knows it. On loopback a write was a tenth of the time that a
whole answer took, because the kernel delivers it there and then.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

_LARGE_BYTES: Final = 64 * 1024
"""More than this is cheaper to write by itself than to copy behind a head."""


class ClosingTransport(Protocol):
    """The part of a transport that is called here."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def is_closing(self) -> bool:
        """Return True once no more can be written."""
        ...

    def close(self) -> None:
        """Send what is buffered, then close."""


class HeadHoldingTransport:
    """A transport that can hold one write back for the next one, at most a turn of the loop."""

    def __init__(self, transport: ClosingTransport, loop: asyncio.AbstractEventLoop) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the transport."""
        return getattr(self._transport, name)

    def hold_head(self) -> None:
        """Hold the next write back until another one follows or this turn of the loop ends."""
        self.write = self._hold

    def close(self) -> None:
        """Send what is held or buffered, then close."""
        self._release()
        self._transport.close()

    def _hold(self, data: bytes) -> None:
        self._head, self.write = data, self._join
        self._loop.call_soon(self._release)

    def _join(self, data: bytes) -> None:
        head, self._head = self._head, b""
        self.write = self._transport.write
        if len(data) > _LARGE_BYTES:
            self.write(head)
            self.write(data)
        else:
            self.write(head + data)

    def _release(self) -> None:
        if self._head:
            self._join(b"")
