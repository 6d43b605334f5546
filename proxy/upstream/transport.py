"""
Puts requests onto the wire, behind httpx's transport interface.

httpx's own transport looks through every connection for every request, which
makes it slow under load; it is used only through an outbound proxy. The other
transport is ours: it sends headers with the spelling they have, and tells a
connection that was never made from one that broke.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import httpx

from proxy.upstream.egress import trust
from proxy.upstream.http11 import Http11Connection
from proxy.upstream.pool import Origin, OriginPool
from proxy.upstream.response_parser import ConnectionState
from proxy.upstream.response_stream import ResponseStream

_KEEP_IDLE_SECONDS: Final = 15
"""Seconds that an idle connection is kept; later the upstream is likely to close it in use."""
_LARGE_BYTES: Final = 256 * 1024
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Timeouts in seconds; there is no total, because a stream may last as long as it moves."""

    connect: float = 10
    read: float = 600

    def as_extension(self) -> dict[str, float | None]:
        """Return the value of the extension `timeout` of an httpx request."""
        return {"connect": self.connect, "read": self.read, "write": self.read, "pool": None}


def transport_for(proxy: str | None) -> httpx.AsyncBaseTransport:
    """Return a transport, direct or through a proxy, without cookies, redirects or decoding."""
    context = trust()
    if proxy is None:
        return DirectTransport(context)
    unlimited = httpx.Limits(
        max_connections=None,
        max_keepalive_connections=None,
        keepalive_expiry=_KEEP_IDLE_SECONDS,
    )
    return httpx.AsyncHTTPTransport(verify=context, proxy=proxy, limits=unlimited)


class DirectTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over as many connections as are needed, in one event loop."""

    def __init__(self, context: ssl.SSLContext, *, keep_idle: float = _KEEP_IDLE_SECONDS) -> None:
        self._context = context
        self._keep_idle = keep_idle
        self._pools: dict[Origin, OriginPool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the response's head; raises `httpx.TransportError`."""
        timeouts, head = request.extensions["timeout"], _head_of(request)
        url = request.url
        origin = url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme]
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = OriginPool(origin, self._context, self._keep_idle)
        connection = pool.idle() or await pool.connect(timeouts["connect"])
        may_repeat = connection.state is ConnectionState.IDLE and _is_repeatable(request)
        try:
            return await _answered(request, head, connection, timeouts["read"])
        except httpx.ReadError:  # the upstream closed an idle connection just as it was used
            if not may_repeat:
                raise
        # Once, on a new connection: another idle one may be as stale (RFC 9112, section 9.3.1).
        connection = await pool.connect(timeouts["connect"])
        return await _answered(request, head, connection, timeouts["read"])

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()


async def _answered(
    request: httpx.Request, head: bytes, connection: Http11Connection, read_timeout: float
) -> httpx.Response:
    answer = _send(request, head, connection, read_timeout)
    try:
        await answer.head()
    except BaseException:
        await answer.aclose()  # not its connection, which may be somebody else's by now
        raise
    return httpx.Response(answer.status, headers=answer.headers, stream=answer, request=request)


def _send(
    request: httpx.Request, head: bytes, connection: Http11Connection, read_timeout: float
) -> ResponseStream:
    """Send the request, a short one in a single write; return its response."""
    whole = request.read() if isinstance(request.stream, httpx.ByteStream) else None
    has_body = request.method != "HEAD"
    if whole is not None and len(whole) <= _LARGE_BYTES:
        return connection.begin(head + whole, has_body=has_body, read_timeout=read_timeout)
    answer = connection.begin(head, has_body=has_body, read_timeout=read_timeout)
    if whole is not None:
        connection.send(_in_pieces(whole))
    else:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        is_chunked = "transfer-encoding" in request.headers
        connection.send(_in_chunks(request.stream) if is_chunked else aiter(request.stream))
    return answer


def _is_repeatable(request: httpx.Request) -> bool:
    """Return True if the request may be sent twice (safe methods: RFC 9110, section 9.2.1)."""
    return request.method in _SAFE and isinstance(request.stream, httpx.ByteStream)


def _head_of(request: httpx.Request) -> bytes:
    """Return the head; raises `httpx.LocalProtocolError` if a field contains a line end."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    head = b"\r\n".join((*lines, b"", b""))
    if not head.count(b"\r") == head.count(b"\n") == len(lines) + 1:
        raise httpx.LocalProtocolError("A header contains the end of a line.")
    return head


async def _in_pieces(body: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(body)
    for start in range(0, len(body), _LARGE_BYTES):
        yield view[start : start + _LARGE_BYTES]
        await asyncio.sleep(0)  # a socket may take all of it at once, without letting others run


async def _in_chunks(body: AsyncIterator[bytes] | httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    async for piece in body:
        if piece:  # an empty chunk would be the last one
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
