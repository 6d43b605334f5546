"""What comes back on a connection to an upstream: written by its parser, read by whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import httpx

from proxy.headers import Headers


class ByteSource(Protocol):
    """The connection that it comes from."""

    def resume(self) -> None:
        """What was there has been read."""

    def abort(self) -> None:
        """What is still to come is not wanted."""


class ResponseStream(httpx.AsyncByteStream):
    """What an upstream says to one request: first the head, then the body, once."""

    def __init__(
        self, source: ByteSource, loop: asyncio.AbstractEventLoop, *, has_body: bool
    ) -> None:
        self.status = 0
        self.headers: Headers = []
        self.has_head = False
        self.has_body = has_body
        self.is_complete = False
        self.unread_bytes = 0
        self.waiting_since: float | None = None
        """By the loop's clock; None: nobody waits, so nothing is late."""
        self._source = source
        self._loop = loop
        self._pieces: list[bytes] = []
        self._news: asyncio.Future[None] | None = None
        self._problem: BaseException | None = None

    @property
    def ends_with_connection(self) -> bool:
        """Whether it has neither a length nor chunks."""
        names = {name.lower() for name, _ in self.headers}
        return self.has_head and names.isdisjoint((b"content-length", b"transfer-encoding"))

    async def head(self) -> None:
        """Wait until status and headers are there; raises `httpx.TransportError`."""
        while not self.has_head:
            await self._wait()

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        return self

    async def __anext__(self) -> bytes:
        """All that has come since; raises `httpx.TransportError` where it breaks off."""
        while not self._pieces:
            if self.is_complete:
                raise StopAsyncIteration
            await self._wait()
        pieces, self._pieces, self.unread_bytes = self._pieces, [], 0
        if not self.is_complete:  # else the connection may be somebody else's by now
            self._source.resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def aclose(self) -> None:
        """Let go of it; half-read, it takes its connection with it, so that upstream stops."""
        if not self.is_complete:
            self._source.abort()

    def feed(self, piece: bytes) -> None:
        """A piece of the body has come."""
        self._pieces.append(piece)
        self.unread_bytes += len(piece)

    def set_exception(self, problem: BaseException) -> None:
        """Nothing more will come."""
        if not self.is_complete and self._problem is None:
            self._problem = problem
            self.notify()

    def notify(self) -> None:
        """There is something new."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _wait(self) -> None:
        if self._problem is not None:
            raise self._problem
        self._news, self.waiting_since = self._loop.create_future(), self._loop.time()
        try:
            await self._news
        finally:
            self._news = self.waiting_since = None
