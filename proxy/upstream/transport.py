"""
Puts requests onto the wire: what a transport takes and gives, and the direct one.

A transport is what `UpstreamClient` needs of an HTTP client, and the place to
put another one. The direct transport sends headers with the spelling they
have, and tells a connection that was never made from one that broke.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import httpx

from proxy.headers import Headers
from proxy.upstream.http11 import Http11Connection
from proxy.upstream.pool import KEEP_IDLE_SECONDS, Origin, OriginPool
from proxy.upstream.response_parser import ConnectionState
from proxy.upstream.response_stream import ResponseStream

_LARGE_BYTES: Final = 256 * 1024
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Body: TypeAlias = Sequence[bytes] | AsyncIterator[bytes]
"""All pieces of a body, or those that are still arriving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Timeouts in seconds; there is no total, because a stream may last as long as it moves."""

    connect: float = 10
    read: float = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRequest:
    """A request as it leaves: the headers say how the body is framed."""

    method: str
    origin: Origin
    target: bytes
    """The path and query, as they stand on the request line."""
    headers: Headers
    body: Body = ()
    timeouts: Timeouts


class IncomingResponse(Protocol):
    """A response whose head has arrived; iterating over it yields its raw body, once."""

    status: int
    headers: Headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return an iterator over the body; it raises `httpx.TransportError`."""
        ...

    async def aclose(self) -> None:
        """Give up the rest of the body."""


class Transport(Protocol):
    """Sends requests over connections of its own; no cookies, no redirects, no decoding."""

    async def send(self, request: OutgoingRequest) -> IncomingResponse:
        """Send a request and wait for the response's head; raises `httpx.TransportError`."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""


class DirectTransport:
    """HTTP/1.1 over as many connections as are needed, in one event loop."""

    def __init__(self, context: ssl.SSLContext, *, keep_idle: float = KEEP_IDLE_SECONDS) -> None:
        self._context = context
        self._keep_idle = keep_idle
        self._pools: dict[Origin, OriginPool] = {}

    async def send(self, request: OutgoingRequest) -> ResponseStream:
        """Send a request and wait for the response's head; raises `httpx.TransportError`."""
        head = _head_of(request)
        pool = self._pools.get(request.origin)
        if pool is None:
            pool = OriginPool(request.origin, self._context, self._keep_idle)
            self._pools[request.origin] = pool
        connection = pool.idle() or await pool.connect(request.timeouts.connect)
        may_repeat = connection.state is ConnectionState.IDLE and _is_repeatable(request)
        try:
            return await _exchange(request, head, connection)
        except httpx.ReadError:  # the upstream closed an idle connection just as it was used
            if not may_repeat:
                raise
        # Once, on a new connection: another idle one may be as stale (RFC 9112, section 9.3.1).
        return await _exchange(request, head, await pool.connect(request.timeouts.connect))

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()


async def _exchange(
    request: OutgoingRequest, head: bytes, connection: Http11Connection
) -> ResponseStream:
    """Send a request on a connection, a short one in a single write, and wait for the head."""
    body, is_whole, read_timeout = request.body, False, request.timeouts.read
    if isinstance(body, Sequence) and sum(map(len, body)) <= _LARGE_BYTES:
        head, is_whole = b"".join((head, *body)), True
    has_body = request.method != "HEAD"
    response = connection.begin(head, has_body=has_body, read_timeout=read_timeout)
    if not is_whole:
        if isinstance(body, Sequence):
            connection.send(_in_pieces(body))
        elif any(name.lower() == b"transfer-encoding" for name, _ in request.headers):
            connection.send(_in_chunks(body))
        else:
            connection.send(body)
    try:
        await response.head()
    except BaseException:
        await response.aclose()  # not its connection, which may serve another request by now
        raise
    return response


def _is_repeatable(request: OutgoingRequest) -> bool:
    """Return True if the request may be sent twice (safe methods: RFC 9110, section 9.2.1)."""
    return request.method in _SAFE and isinstance(request.body, Sequence)


def _head_of(request: OutgoingRequest) -> bytes:
    """Return the head; raises `httpx.LocalProtocolError` if a field contains a line end."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.target)]
    lines += [b"%b: %b" % header for header in request.headers]
    head = b"\r\n".join((*lines, b"", b""))
    if not head.count(b"\r") == head.count(b"\n") == len(lines) + 1:
        raise httpx.LocalProtocolError("A header contains the end of a line.")
    return head


async def _in_pieces(body: Sequence[bytes]) -> AsyncIterator[memoryview]:
    for part in body:
        view = memoryview(part)
        for start in range(0, len(part), _LARGE_BYTES):
            yield view[start : start + _LARGE_BYTES]
            await asyncio.sleep(0)  # a socket may take all of it at once, and others never run


async def _in_chunks(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in body:
        if piece:  # an empty chunk would be the last one
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
