"""
httpx's transport interface as thin as it can be: how requests get onto the wire.

httpx's own pool looks through every connection for every request, which is
what makes it slow under load; it is used where a proxy lies between. The other
transport is ours: it repeats headers as they are given, and tells a connection
that was never made from one that broke.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import aiohappyeyeballs
import httpx

from proxy.upstream.egress import trust
from proxy.upstream.http11 import Http11Connection
from proxy.upstream.response_stream import ResponseStream

_RACE_SECONDS: Final = 0.25
"""The head start of an address over the next one (RFC 8305, section 8)."""
_KEEP_IDLE_SECONDS: Final = 15
"""Longer-lived idle connections are more likely closed from the far side as they are reused."""
_LARGE_BYTES: Final = 256 * 1024
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS: Final = {"http": 80, "https": 443}

Origin: TypeAlias = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In seconds; there is no total, since a stream may last as long as it moves."""

    connect: float = 10
    read: float = 600

    def as_extension(self) -> dict[str, float | None]:
        """As httpx has it in the `extensions` of a request."""
        return {"connect": self.connect, "read": self.read, "write": self.read, "pool": None}


def transport_for(proxy: str | None) -> httpx.AsyncBaseTransport:
    """How requests go up: straight, or through a proxy; no cookies, no redirects, no decoding."""
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
    """HTTP/1.1 over connections of its own, as many as are needed; in one event loop."""

    def __init__(self, context: ssl.SSLContext, *, keep_idle: float = _KEEP_IDLE_SECONDS) -> None:
        self._context = context
        self._keep_idle = keep_idle
        self._pools: dict[Origin, _Pool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; return once the headers are there. Raises `httpx.TransportError`s."""
        timeouts, head = request.extensions["timeout"], _head_of(request)
        url = request.url
        origin = url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme]
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = _Pool(origin, self._context, self._keep_idle)
        connection = pool.idle() or await pool.connect(timeouts["connect"])
        may_repeat = not connection.is_fresh and _is_harmless(request)
        try:
            return await _answered(request, head, connection, timeouts["read"])
        except httpx.ReadError:  # closed from afar without a word, as it was used again
            if not may_repeat:
                raise
        # Once, and not by another that may be as stale (RFC 9112, section 9.3.1).
        connection = await pool.connect(timeouts["connect"])
        return await _answered(request, head, connection, timeouts["read"])

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()


class _Pool:
    """The connections to one origin; those that were used last are used first."""

    def __init__(self, origin: Origin, context: ssl.SSLContext, keep_idle: float) -> None:
        self._origin = origin
        self._keep_idle = keep_idle
        self._context = context if origin[0] == "https" else None
        self._all: set[Http11Connection] = set()
        self._idle: list[Http11Connection] = []
        """The one that has been idle for longest comes first."""
        self._sweeping: asyncio.TimerHandle | None = None

    def idle(self) -> Http11Connection | None:
        """One that has nothing to do, if there is any."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def connect(self, timeout: float) -> Http11Connection:  # noqa: ASYNC109 - httpx has it
        """Another one; raises `ConnectTimeout` or `ConnectError`."""
        _, host, port = self._origin
        try:
            async with asyncio.timeout(timeout):
                connection = await self._connect(host, port)
            if not connection.is_open:
                raise ConnectionResetError("It was closed before it was used.")
        except TimeoutError as exc:
            raise httpx.ConnectTimeout(str(exc)) from exc
        except (OSError, UnicodeError) as exc:  # a name too long for the DNS is the latter
            raise httpx.ConnectError(str(exc)) from exc
        self._all.add(connection)
        return connection

    def release(self, connection: Http11Connection) -> None:
        """It can be used again, for a while."""
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweep()

    def discard(self, connection: Http11Connection) -> None:
        """It is closed."""
        self._all.discard(connection)

    def close(self) -> None:
        """Close all of them."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        self._idle.clear()
        for connection in list(self._all):
            connection.abort()

    async def _connect(self, host: str, port: int) -> Http11Connection:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_RACE_SECONDS, interleave=1, loop=loop
        )
        try:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            _, connection = await loop.create_connection(
                lambda: Http11Connection(self, loop),
                sock=connected,
                ssl=self._context,
                server_hostname=host if self._context else None,
            )
        except BaseException:
            connected.close()
            raise
        return connection

    def _sweep(self) -> None:
        """Close what has been idle for too long, now and later."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._idle and self._idle[0].idle_since + self._keep_idle <= now:
            self._idle.pop(0).abort()
        self._sweeping = None
        if self._idle:
            then = self._idle[0].idle_since + self._keep_idle
            self._sweeping = loop.call_at(then, self._sweep)


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
    """Bytes leave in one write if they are not many, else in pieces."""
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


def _is_harmless(request: httpx.Request) -> bool:
    """Whether to ask twice changes nothing (RFC 9110, section 9.2.1)."""
    return request.method in _SAFE and isinstance(request.stream, httpx.ByteStream)


def _head_of(request: httpx.Request) -> bytes:
    """As it leaves; raises `LocalProtocolError` for what would be more than one header."""
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
        await asyncio.sleep(0)  # a socket may take it all at once, and others wait for their turn


async def _in_chunks(body: AsyncIterator[bytes] | httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    async for piece in body:
        if piece:  # an empty chunk would be the last one
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
