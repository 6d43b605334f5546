"""
A client that looks at what it gets: raw asyncio, one request at a time on each connection.

An answer that is not right (another status, frames too few, no end, a connection that breaks off)
is `WrongAnswer`, and ends the benchmark.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

import httptools

from tests.benchmarks.questions import Dialect

OK: Final = 200


class WrongAnswer(Exception):
    """A proxy did not do what it is measured at."""


class Connection(asyncio.Protocol):
    """Asks, and has the body of the answer; or hands each piece of it on as it comes."""

    def __init__(self, hear: Callable[[bytes], object] | None = None) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._hear = hear or self._body.extend
        self._answered: asyncio.Future[bytes] | None = None
        self.begun = asyncio.Event()
        """Whether the status of an answer has come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's, which is not of that class

    async def ask(self, request: bytes) -> bytes:
        """The body, unless somebody else hears it; raises `WrongAnswer`."""
        self._body.clear()
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._fail(f"no HTTP: {exc}: {data[:100]!r}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection broke off: {exc}")

    def on_headers_complete(self) -> None:
        self.begun.set()

    def on_body(self, piece: bytes) -> None:
        self._hear(piece)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status != OK:
            self._fail(f"status {status}: {bytes(self._body[:500])!r}")
        elif self._answered is not None and not self._answered.done():
            self._answered.set_result(bytes(self._body))

    def _fail(self, why: str) -> None:
        self.begun.set()
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(WrongAnswer(why))


@asynccontextmanager
async def connected(
    port: int, hear: Callable[[bytes], object] | None = None
) -> AsyncIterator[Connection]:
    """A connection to a server on this machine, and its end."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(hear), "127.0.0.1", port)
    try:
        yield connection
    finally:
        connection.close()


def check_whole(body: bytes, dialect: Dialect) -> None:
    if dialect.whole not in body:
        raise WrongAnswer(f"{dialect.whole!r} is not in {body[:500]!r}")


def check_stream(body: bytes, dialect: Dialect, deltas: int) -> None:
    """So many frames with text, and one end."""
    found = body.count(dialect.delta), body.count(dialect.end)
    if found[0] != deltas or not found[1]:
        said = f"{found[0]} frames of {deltas}, {found[1]} ends"
        raise WrongAnswer(f"{said}: {body[-500:]!r}")
