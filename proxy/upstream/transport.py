"""
Puts requests onto the wire, with headers in the spelling they have.

Connections are made and kept by a pool for each origin. A connection that was never made is told
from one that broke, and from one that the upstream closed before it was used again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

import httpx
import structlog

from proxy.headers import Headers
from proxy.security.keyring import DEFAULT_PORTS
from proxy.upstream.connector import Connector
from proxy.upstream.egress import Origin, OutboundProxy, authority
from proxy.upstream.http11 import Http11Connection
from proxy.upstream.name_lookup import NameLookup
from proxy.upstream.pool import KEEP_ALIVE_SECONDS, ConnectionCounts, OriginPool
from proxy.upstream.response_parser import ConnectionState
from proxy.upstream.response_stream import ResponseStream

log = structlog.get_logger()

_LARGE_BYTES: Final = 256 * 1024

Body: TypeAlias = Sequence[bytes] | AsyncIterator[bytes]
"""All pieces of a body, or those that are still arriving."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Timeouts in seconds; there is no total, because a stream may last as long as it moves."""

    connect: float = 10
    read: float = 600
    error: float = 10
    """Time for all of an error's body, whose status says the most."""
    keep_alive: float = KEEP_ALIVE_SECONDS
    """Time for which a connection is kept that nobody uses."""


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
    caller: str = ""
    """Digest of the caller, by which callers take turns to connect; empty for Holdover itself."""
    may_repeat: bool = False
    """True if the request may be sent again where the upstream closed its connection; such a
    request has all of its body."""


class Transport:
    """
    HTTP/1.1 over as many connections as are needed, in one event loop.

    No cookies, no redirects, no decoding. Through a proxy, if there is one.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        proxy: OutboundProxy | None = None,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        names: NameLookup | None = None,
    ) -> None:
        self._context = context
        self._proxy = proxy
        self._keep_alive = keep_alive
        self._names = names or NameLookup()
        self._pools: dict[Origin, OriginPool] = {}

    async def send(self, request: OutgoingRequest) -> ResponseStream:
        """Send a request and wait for the response's head; raises `httpx.TransportError`."""
        is_relayed = self._proxy is not None and request.origin[0] == "http"
        head = _head_of(request, self._proxy if is_relayed else None)
        pool = self._pool_for(request.origin)
        seconds = request.timeouts.connect
        connection = await pool.acquire(request.caller, seconds)
        was_used = connection.state is ConnectionState.IDLE
        try:
            response = await _exchange(request, head, connection)
        except httpx.ReadError:
            if not (was_used and request.may_repeat):
                raise
            # The upstream closed an idle connection just as it was used. Once, and on none that is
            # idle, which may be as stale (RFC 9112, section 9.3.1).
            where = authority(*request.origin[1:])
            reason = f"{where}: the upstream closed the connection before its next request"
            log.warning("upstream_asked_again", reason=reason)
            connection = await pool.connect(request.caller, seconds)
            response = await _exchange(request, head, connection)
        if is_relayed and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            await response.aclose()  # the client of Holdover does not know the proxy
            raise httpx.ProxyError(f"it answered with status {response.status}")
        return response

    async def connect(self, origin: Origin, seconds: float) -> Http11Connection:
        """Return a connection that the next request will use; raises like `send`."""
        pool = self._pool_for(origin)
        connection = await pool.acquire("", seconds)
        pool.release(connection)
        return connection

    @property
    def connections(self) -> ConnectionCounts:
        """How many connections there are to all origins."""
        return sum((pool.counts for pool in self._pools.values()), ConnectionCounts())

    async def aclose(self) -> None:
        """Close all connections."""
        while self._pools:
            self._pools.popitem()[1].close()
        self._names.close()

    def _pool_for(self, origin: Origin) -> OriginPool:
        if (pool := self._pools.get(origin)) is None:
            connector = Connector(origin, self._context, self._names, self._proxy)
            pool = self._pools[origin] = OriginPool(connector, self._keep_alive)
        return pool


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


def _head_of(request: OutgoingRequest, relay: OutboundProxy | None) -> bytes:
    """
    Return the head; raises `httpx.LocalProtocolError` if a field contains a line end.

    A proxy that relays requests is told the whole URL (RFC 9112, section 3.2.2).
    """
    target, headers = request.target, request.headers
    if relay is not None:
        scheme, host, port = request.origin
        where = authority(host, None if port == DEFAULT_PORTS[scheme] else port)
        target = f"{scheme}://{where}".encode() + target
        if relay.authorization is not None:
            headers = [*headers, (b"Proxy-Authorization", relay.authorization)]
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target)]
    lines += [b"%b: %b" % header for header in headers]
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
