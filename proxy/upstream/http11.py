"""
One HTTP/1.1 connection to an upstream: a request out, its answer in, and then perhaps the next.

The parser is httptools, which uvicorn brings. What an upstream says unasked
ends the connection: it would be taken for the answer to the next request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol, cast

import httptools
import httpx

from proxy.upstream.response_stream import ResponseStream

_MAX_NON_BODY_BYTES: Final = 256 * 1024
"""Of headers, trailers and whatever else is no body, before some body comes."""
_MAX_UNREAD_BYTES: Final = 256 * 1024
"""More than that, and upstream waits until somebody has read it."""
_INTERIM: Final = range(100, 200)


class ConnectionPool(Protocol):
    """Where connections go that can be used again."""

    def release(self, connection: Http11Connection) -> None:
        """This one has nothing to do."""

    def discard(self, connection: Http11Connection) -> None:
        """This one is closed."""


class Http11Connection(asyncio.Protocol):
    """A protocol of asyncio; one answer at a time."""

    def __init__(self, pool: ConnectionPool, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.idle_since = loop.time()
        self.is_fresh = True
        """Never used before."""
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        # What other clients read, too: a gateway's lines without CR, chunks' padded sizes.
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport | None = None
        self._answer: ResponseStream | None = None
        self._bytes_beside = 0
        self._can_be_reused = True
        self._reads_paused = False
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._writing: asyncio.Task[None] | None = None
        self._read_timeout = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # What a transport of httpx asks of it

    def begin(self, head: bytes, *, has_body: bool, read_timeout: float) -> ResponseStream:
        """Send a request's head, or all of it; `has_body`: the answer to it may have one."""
        assert self._transport is not None
        answer = self._answer = ResponseStream(self, self._loop, has_body=has_body)
        self._bytes_beside, self._read_timeout = 0, read_timeout
        if self._timer is None:
            self._timer = self._loop.call_later(read_timeout, self._look_at_the_clock)
        self._transport.write(head)
        return answer

    def send(self, body: AsyncIterator[bytes | memoryview]) -> None:
        """Send a body as it comes, beside the reading: upstream may answer before its end."""
        self._writing = self._loop.create_task(self._send(body))
        self._writing.add_done_callback(self._sent)

    def resume(self) -> None:
        """Somebody has read what was there."""
        if self._reads_paused and self._transport is not None:
            self._reads_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close it now."""
        self._lose(httpx.RemoteProtocolError("The connection was closed."))

    @property
    def is_open(self) -> bool:
        """Whether it can be used again, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    # What asyncio says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        """Upstream says something."""
        answer = self._answer
        if answer is None:
            self.abort()
            return
        unread_before = answer.unread_bytes
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._can_be_reused = False
            if not answer.is_complete:
                self._lose(httpx.RemoteProtocolError("The upstream does not speak HTTP."))
                return
        if answer.is_complete:
            self._end()
        elif answer.unread_bytes > unread_before:
            self._bytes_beside = 0
            self._pause_if_unread(answer.unread_bytes)
        else:
            self._bytes_beside += len(data)
            if self._bytes_beside > _MAX_NON_BODY_BYTES:
                self._lose(httpx.RemoteProtocolError("The upstream's headers are too long."))
        answer.notify()

    def eof_received(self) -> None:
        """Upstream says no more; asyncio would first wait until it has read all that we wrote."""
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        answer = self._answer
        if exc is None and answer is not None and answer.ends_with_connection:
            answer.is_complete = True
            answer.notify()
        has_spoken = answer is not None and (answer.has_head or self._bytes_beside)
        kind = httpx.RemoteProtocolError if has_spoken else httpx.ReadError
        self._lose(kind("The upstream closed the connection."))

    def pause_writing(self) -> None:
        """Upstream reads more slowly than we write."""
        self._may_write.clear()
        self._restart_the_clock()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._may_write.set()

    # What the parser says

    def on_message_begin(self) -> None:
        """The first byte of an answer; of a second one to one question, if all of one is there."""
        if self._answer is None or self._answer.is_complete:
            self._can_be_reused = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or one that comes after the body, which says nothing to us."""
        if (answer := self._answer) is not None and not answer.has_head:
            answer.headers.append((name, value.rstrip(b" \t")))  # as RFC 9110, section 5.5, has it

    def on_headers_complete(self) -> None:
        """The head is there."""
        answer = self._answer
        if answer is None or answer.has_head:
            return
        status = self._parser.get_status_code()
        if status in _INTERIM:
            answer.headers.clear()
        else:
            answer.status, answer.has_head = status, True
            if not answer.has_body:  # whatever length it says it would have
                answer.is_complete, self._can_be_reused = True, False

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        answer = self._answer
        if answer is not None and answer.has_head and not answer.is_complete:
            answer.feed(piece)

    def on_message_complete(self) -> None:
        """The end of an answer, if it was one."""
        answer = self._answer
        if answer is not None and answer.has_head:
            answer.is_complete = True
            self._can_be_reused &= self._parser.should_keep_alive()

    # What happens then

    def _end(self) -> None:
        """The answer is there, whatever is still unread of it."""
        if self._can_be_reused and self._writing is None:
            self._answer, self.idle_since = None, self._loop.time()
            self.is_fresh = False
            self._pool.release(self)
        else:
            self.abort()

    def _lose(self, problem: BaseException) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        del self._parser  # it knows us too, and neither would go without the collector
        transport.abort()
        self._pool.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            self._writing.cancel()
        if self._answer is not None:
            self._answer.set_exception(problem)
            self._answer = None

    def _pause_if_unread(self, unread_bytes: int) -> None:
        if unread_bytes > _MAX_UNREAD_BYTES and not self._reads_paused:
            assert self._transport is not None
            self._reads_paused = True
            self._transport.pause_reading()

    def _look_at_the_clock(self) -> None:
        # One timer for many reads: to set and cancel one for each costs more than the read.
        self._timer = None
        if (answer := self._answer) is None:
            return
        # An upload that is not held up waits for its client.
        is_upstreams_turn = self._writing is None or not self._may_write.is_set()
        since = answer.waiting_since if is_upstreams_turn else None
        left = self._read_timeout - (0 if since is None else self._loop.time() - since)
        if left > 0:
            self._timer = self._loop.call_later(left, self._look_at_the_clock)
        else:
            self._lose(httpx.ReadTimeout("The upstream is silent."))

    def _restart_the_clock(self) -> None:
        """From here on it is upstream's turn."""
        if (answer := self._answer) is not None and answer.waiting_since is not None:
            answer.waiting_since = self._loop.time()

    async def _send(self, body: AsyncIterator[bytes | memoryview]) -> None:
        async for piece in body:
            assert self._transport is not None
            self._transport.write(piece)
            await self._may_write.wait()

    def _sent(self, writing: asyncio.Task[None]) -> None:
        if writing.cancelled():
            return
        if (problem := writing.exception()) is not None:
            self._lose(problem)
        else:
            self._writing = None
            self._restart_the_clock()
