"""The response to one request while it arrives: filled by the parser, awaited by its reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from proxy.upstream.response_parser import ParsedResponse


class ByteSource(Protocol):
    """The connection that the response arrives on; a protocol, because it imports this module."""

    def resume(self) -> None:
        """Go on reading: the reader has taken what there was."""

    def abort(self) -> None:
        """Close the connection: the rest of the response is not wanted."""

    def await_end(self) -> None:
        """Keep the connection if the response, whose rest nobody reads, ends soon."""


class ResponseStream(ParsedResponse):
    """A response whose head can be awaited, and whose body can be iterated over once."""

    def __init__(
        self, source: ByteSource, loop: asyncio.AbstractEventLoop, *, has_body: bool
    ) -> None:
        super().__init__(has_body=has_body)
        self.waiting_since: float | None = None
        """Start of the reader's wait, by the loop's clock; None while it does not wait."""
        self._source = source
        self._loop = loop
        self._news: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._is_finished = False

    async def head(self) -> None:
        """Wait until status and headers have arrived; raises `httpx.TransportError`."""
        while not self.has_head:
            await self._wait()

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the stream itself: it yields the body."""
        return self

    async def __anext__(self) -> bytes:
        """Return all that has arrived since the last call; raises `httpx.TransportError`."""
        while not self.pieces:
            if self.is_complete:
                raise StopAsyncIteration
            await self._wait()
        pieces, self.pieces, self.unread_bytes = self.pieces, [], 0
        if not self.is_complete:  # else the connection may serve another request by now
            self._source.resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> None:
        """Read no further: upstream has said all, though the end of the body may be on its way."""
        if not (self.is_complete or self._is_finished):
            self._is_finished = True
            self._source.await_end()

    async def aclose(self) -> None:
        """Give up the rest of the response; its connection is closed, so that upstream stops."""
        if not (self.is_complete or self._is_finished):
            self._source.abort()

    def set_exception(self, error: BaseException) -> None:
        """Make the reader raise this error once it has read what has arrived."""
        if not self.is_complete and self._error is None:
            self._error = error
            self.notify()

    def notify(self) -> None:
        """Wake the reader: something has arrived."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._news, self.waiting_since = self._loop.create_future(), self._loop.time()
        try:
            await self._news
        finally:
            self._news = self.waiting_since = None
