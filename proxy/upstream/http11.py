"""
An HTTP/1.1 connection to an upstream, as an asyncio protocol.

It sends a request, moves what arrives into the parser, keeps the time, and
hands itself back to its pool when another request may follow.
"""

from __future__ import annotations

import asyncio
import math
import re
import select
from collections.abc import AsyncIterator
from typing import Final, Protocol, cast

import httpx

from proxy.headers import Headers
from proxy.send_queue import queued_bytes
from proxy.upstream.response_parser import ConnectionState, ResponseError, ResponseParser
from proxy.upstream.response_stream import ResponseStream
from proxy.upstream.timers import PeerTimer

_MAX_UNREAD_BYTES: Final = 256 * 1024
"""Most unread bytes of a body; with more, reading stops and the upstream has to wait."""
_END_SECONDS: Final = 1.0
"""Time for the end of a body of which nobody reads more; many servers send it by itself."""
_FIRST_FLIGHT_BYTES: Final = 14_600
"""Most bytes that are sent before any are acknowledged (RFC 6928): an answer, early or not, comes
after the upstream's system has them."""
_KEEP_ALIVE: Final = b"keep-alive"
_TIMEOUT: Final = re.compile(rb"(?:^|[,; \t])timeout=(\d{1,9})(?![\d.])", re.IGNORECASE)
"""The seconds in a `Keep-Alive` header, as Node.js and nginx send it."""


def announced_keep_alive(headers: Headers) -> float:
    """
    Return the seconds for which an idle connection may be used, or infinity.

    That is less than the upstream says in its `Keep-Alive` header: it begins to count first, and
    a request takes a while to arrive.
    """
    for name, value in headers:
        if len(name) == len(_KEEP_ALIVE) and name.lower() == _KEEP_ALIVE:
            found = _TIMEOUT.search(value)
            if found is not None:
                seconds = int(found[1])
                return max(seconds - 1, seconds / 2)
    return math.inf


class ConnectionPool(Protocol):
    """The pool that a connection belongs to; a protocol, because the pool imports this module."""

    def release(self, connection: Http11Connection) -> None:
        """Take back a connection that another request may use."""

    def discard(self, connection: Http11Connection) -> None:
        """Forget a connection that is closed."""


class Http11Connection(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self, pool: ConnectionPool, loop: asyncio.AbstractEventLoop) -> None:
        self.idle_since = loop.time()
        self.keep_alive = math.inf
        """Seconds for which the upstream keeps the idle connection, as far as it says."""
        self._loop = loop
        self._pool = pool
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self._response: ResponseStream | None = None
        self._reads_paused = False
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._writing: asyncio.Task[None] | None = None
        self._is_long = False
        """True if an answer may come before the upstream's system has all of the request."""
        self._read_timeout = 0.0
        self._timer: PeerTimer | None = None

    @property
    def state(self) -> ConnectionState:
        """The parser's state: NEW, ACTIVE, IDLE or CLOSED."""
        return self._parser.state

    @property
    def is_open(self) -> bool:
        """True if the connection can be written to, as far as this side knows."""
        transport = self._transport
        is_there = transport is not None and not transport.is_closing()
        return is_there and self.state is not ConnectionState.CLOSED

    def about(self, name: str) -> object:
        """Return what the transport knows: `peername`, say, or `peercert`; None if nothing."""
        return self._transport and self._transport.get_extra_info(name)

    @property
    def is_quiet(self) -> bool:
        """
        True if the connection is open and nothing has arrived on it that is still unread.

        What the kernel holds for an idle connection is its end, or an answer that nobody asked
        for: with the next request it would pass for the answer to that.
        """
        if not self.is_open:
            return False
        assert self._transport is not None
        arrived = select.poll()
        arrived.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not arrived.poll(0)

    def begin(self, head: bytes, *, has_body: bool, read_timeout: float) -> ResponseStream:
        """
        Send a request's head, or all of it, and return its response, which is still to arrive.

        `has_body` is False for a HEAD request, whose response has none.
        """
        assert self._transport is not None
        response = self._response = ResponseStream(self, self._loop, has_body=has_body)
        self._parser.begin(response)
        self._read_timeout = read_timeout
        self._is_long = len(head) > _FIRST_FLIGHT_BYTES
        if self._timer is None:
            self._timer = PeerTimer(self._loop, read_timeout, self._check_timeout)
        self._transport.write(head)
        return response

    def send(self, body: AsyncIterator[bytes | memoryview]) -> None:
        """Send a body piece by piece while reading: an upstream may answer before its end."""
        self._is_long = True
        self._writing = self._loop.create_task(self._send(body))
        self._writing.add_done_callback(self._sent)

    def resume(self) -> None:
        """Go on reading: the reader has taken what there was."""
        if self._reads_paused and self._transport is not None:
            self._reads_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close the connection at once."""
        self._close(httpx.RemoteProtocolError("The connection was closed."))

    def await_end(self) -> None:
        """Keep the connection for another request if the response ends soon."""
        if (response := self._response) is None:
            return  # the upstream has closed the connection meanwhile
        if self._reads_paused or response.ends_with_connection:
            self.abort()
            return
        self._read_timeout, response.waiting_since = _END_SECONDS, self._loop.time()
        assert self._timer is not None  # there is one while a response is awaited
        self._timer.cancel()
        self._timer = PeerTimer(self._loop, _END_SECONDS, self._check_timeout)

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it

    def data_received(self, data: bytes) -> None:
        """Feed the parser; finish the request when its response is complete."""
        response = self._response
        try:
            self._parser.feed(data)
        except ResponseError as exc:
            self._close(httpx.RemoteProtocolError(str(exc)))
            return
        assert response is not None  # else the parser would not have taken the bytes
        if response.is_complete:  # its reader may still be reading
            if self.state is ConnectionState.IDLE and self._has_arrived:
                self.keep_alive = announced_keep_alive(response.headers)
                self._response, self.idle_since = None, self._loop.time()
                self._pool.release(self)
            else:
                self.abort()
        elif response.unread_bytes > _MAX_UNREAD_BYTES and not self._reads_paused:
            assert self._transport is not None
            self._reads_paused = True
            self._transport.pause_reading()
        if response.has_head:  # interim responses and half a head are no progress, however many
            response.notify()

    def eof_received(self) -> None:
        """Close at once; asyncio would first wait until the upstream has read the whole request."""
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader, unless the end of the connection completes the response."""
        has_begun = self._parser.has_begun
        if exc is None:
            self._parser.feed_eof()
            if self._response is not None:
                self._response.notify()
        kind = httpx.RemoteProtocolError if has_begun else httpx.ReadError
        self._close(kind("The upstream closed the connection."))

    def pause_writing(self) -> None:
        """Hold the body back: the upstream reads more slowly than it arrives."""
        self._may_write.clear()
        self._restart_timeout()

    def resume_writing(self) -> None:
        """Go on with the body."""
        self._may_write.set()

    # What follows

    @property
    def _has_arrived(self) -> bool:
        """
        True if the upstream's system has all of the request, as far as ours says.

        An upstream that answers before may never read the rest, nor what is sent behind it.
        """
        if self._writing is not None:
            return False
        if not self._is_long:
            return True
        transport = self._transport
        assert transport is not None
        return not (transport.get_write_buffer_size() or queued_bytes(transport))

    def _close(self, error: BaseException) -> None:
        transport, self._transport = self._transport, None
        if transport is None:
            return
        self._parser.close()
        transport.abort()
        self._pool.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            self._writing.cancel()
        if self._response is not None:
            self._response.set_exception(error)
            self._response = None

    def _check_timeout(self) -> None:
        # One timer serves many reads: setting and cancelling one for each costs more than a read.
        self._timer = None
        if (response := self._response) is None:
            return
        # While a body is being sent and not held up, it is the client that is waited for.
        is_upstreams_turn = self._writing is None or not self._may_write.is_set()
        since = response.waiting_since if is_upstreams_turn else None
        left = self._read_timeout - (0 if since is None else self._loop.time() - since)
        if left > 0:
            self._timer = PeerTimer(self._loop, left, self._check_timeout)
        else:
            self._close(httpx.ReadTimeout("The upstream is silent."))

    def _restart_timeout(self) -> None:
        """Count the upstream's time from now on."""
        if (response := self._response) is not None and response.waiting_since is not None:
            response.waiting_since = self._loop.time()

    async def _send(self, body: AsyncIterator[bytes | memoryview]) -> None:
        async for piece in body:
            assert self._transport is not None
            self._transport.write(piece)
            await self._may_write.wait()

    def _sent(self, writing: asyncio.Task[None]) -> None:
        if writing.cancelled():
            return
        if (error := writing.exception()) is not None:
            self._close(error)
        else:
            self._writing = None
            self._restart_timeout()
