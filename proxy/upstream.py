"""
The one place that speaks to the upstream.

httpx's transport interface over aiohttp: httpx's own pool looks through every
connection for every request, which is what makes it slow under load. The
transport is ours, since the published one repeats a request header only
joined, rewrites percent-encoded paths, and reports a connection that broke
after the request was sent as one that was never made, which would make a
retry ask, and cost, twice.

It is driven without `httpx.AsyncClient`, whose cookie jar would hand one
caller's cookies to the next.
"""

from __future__ import annotations

import asyncio
import io
import urllib.request
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
import httpx
from aiohttp import hdrs
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

from proxy.failures import UpstreamBrokeOff, UpstreamTooSlow, UpstreamUnreachable
from proxy.headers import Headers, first

_NO_HEADERS_OF_ITS_OWN: Final = (
    hdrs.ACCEPT,
    hdrs.ACCEPT_ENCODING,
    hdrs.CONTENT_TYPE,
    hdrs.USER_AGENT,
)
# Longer-lived idle connections are more likely closed from the far side just as they are reused.
_KEEP_IDLE_SECONDS: Final = 15
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_HEADER_BYTES: Final = 64 * 1024
MOST_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""More than any model writes; an upstream that sends more has gone astray."""
MOST_ERROR_BYTES: Final = 1024 * 1024
"""The same of errors."""
_LARGE_BYTES: Final = 256 * 1024
_SUCCESS: Final[range] = range(200, 300)
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB: Final = 47
"""`zlib` finds out which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In seconds; there is no total, since a stream may last as long as it moves."""

    connect: float = 10
    read: float = 600


class _Connector(aiohttp.TCPConnector):
    """
    A pool without connections on which upstream has spoken unasked.

    What it said would be taken for the answer to the next request, and that
    one's answer for the one after: each caller would read another's.
    """

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                return connection
            connection.close()
        return None


class AiohttpTransport(httpx.AsyncBaseTransport):
    """httpx requests over an aiohttp session: no cookies, no redirects, no decoding."""

    def __init__(self, timeouts: Timeouts, proxy: str | None = None) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=timeouts.connect, sock_read=timeouts.read
        )
        self._proxy = proxy
        self._ssl = httpx.create_ssl_context()
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send; return once the headers are there. Raises `httpx.TransportError`s."""
        headers = CIMultiDict(
            (name.decode("ascii"), _text(value))
            for name, value in request.headers.raw
            if name.lower() != b"transfer-encoding"  # aiohttp chooses it by the body
        )
        with _as_httpx_errors():
            answer = await self._open_session().request(
                request.method,
                _url(request),
                headers=headers,
                data=_body(request),
                allow_redirects=False,
                proxy=self._proxy,
            )
        return httpx.Response(
            answer.status, headers=answer.raw_headers, stream=_AnswerStream(answer), request=request
        )

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:  # a session belongs to the loop it is made in
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=0, ssl=self._ssl, keepalive_timeout=_KEEP_IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_NO_HEADERS_OF_ITS_OWN,
                auto_decompress=False,
                max_line_size=_HEADER_BYTES,
                max_field_size=_HEADER_BYTES,
                timeout=self._timeout,
            )
        return self._session


def _url(request: httpx.Request) -> URL:
    """Where to; the target is spelled as it came, which an `httpx.URL` would not leave alone."""
    target: bytes | None = request.extensions.get("target")
    if target is None:
        return URL(str(request.url), encoded=True)
    return URL(f"{request.url}{target.decode('latin-1')}", encoded=True)


def _text(value: bytes) -> str:
    # aiohttp writes headers as UTF-8; bytes that are none can only be approximated.
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _body(request: httpx.Request) -> bytes | io.BytesIO | httpx.AsyncByteStream | None:
    try:
        content = request.content
    except httpx.RequestNotRead:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        return request.stream
    # Bytes leave in one write, however many they are; a file leaves in pieces.
    return io.BytesIO(content) if len(content) > _LARGE_BYTES else content or None


class _AnswerStream(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx_errors():
            async for piece in self._answer.content.iter_any():
                yield piece

    async def aclose(self) -> None:
        # Half-read answers take their connection with them, so that upstream stops writing.
        self._answer.release()


@contextmanager
def _as_httpx_errors() -> Iterator[None]:
    try:
        yield
    except aiohttp.ConnectionTimeoutError as exc:
        raise httpx.ConnectTimeout(str(exc)) from exc
    except aiohttp.ServerTimeoutError as exc:
        raise httpx.ReadTimeout(str(exc)) from exc
    except aiohttp.ClientConnectorError as exc:
        raise httpx.ConnectError(str(exc)) from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise httpx.RemoteProtocolError(str(exc)) from exc


@contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except httpx.ConnectTimeout as exc:
        raise UpstreamUnreachable("Connecting to the upstream took too long.") from exc
    except httpx.ConnectError as exc:
        raise UpstreamUnreachable("The upstream cannot be reached.") from exc
    except httpx.TimeoutException as exc:
        raise UpstreamTooSlow("The upstream did not answer in time.") from exc
    except (httpx.TransportError, httpx.DecodingError) as exc:
        raise UpstreamBrokeOff("The connection to the upstream broke off.") from exc


class Answer:
    """An answer whose headers are there and whose body is still to be read, once."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._body: bytes | None = None
        self.tap: Callable[[bytes], None] | None = None
        """Hears all that is read."""
        self.status: int = response.status_code
        self.headers: Headers = [(name.lower(), value) for name, value in response.headers.raw]

    @property
    def is_success(self) -> bool:
        """Whether the status says so."""
        return self.status in _SUCCESS

    @property
    def is_event_stream(self) -> bool:
        """Whether the body is a stream of events."""
        content_type: str = self._response.headers.get("content-type", "")
        return content_type.lower().startswith("text/event-stream")

    async def read(self, *, most: int = MOST_ANSWER_BYTES) -> bytes:
        """The whole body, decoded, of so many bytes at most; asked again, it is the same."""
        if self._body is None:
            body = bytearray()
            async for piece in self.pieces():
                body += piece
                if len(body) > most:
                    raise UpstreamBrokeOff("The upstream's answer goes on beyond all measure.")
            self._body = bytes(body)
        return self._body

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, decoded."""
        encoding: str = self._response.headers.get("content-encoding", "")
        raw = self.raw_pieces()
        async for piece in _inflated(raw) if encoding.lower() in _COMPRESSED else raw:
            if self.tap is not None:
                self.tap(piece)
            yield piece

    async def raw_pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, as it is."""
        assert isinstance(self._response.stream, httpx.AsyncByteStream)
        with _as_failures():
            async for piece in self._response.stream:
                yield piece

    async def close(self) -> None:
        """Let go of it, read or not."""
        await self._response.aclose()


async def _inflated(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """
    Decompress, in pieces that stay small whatever they swell to.

    httpx's decoder makes one piece of a bomb, and keeps all that comes after
    the end of what is compressed.
    """
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        async for piece in pieces:
            left = piece
            while left and not inflater.eof:
                yield inflater.decompress(left, _LARGE_BYTES)
                left = inflater.unconsumed_tail
                await asyncio.sleep(0)
            if inflater.eof:
                return
        yield inflater.flush()
    except zlib.error as exc:
        raise UpstreamBrokeOff("The upstream's answer cannot be decompressed.") from exc


def decompressed(body: bytes, headers: Headers, *, most: int) -> bytes:
    """A body that was passed on as it came; raises `UpstreamBrokeOff` where it cannot be read."""
    encoding = (first(headers, b"content-encoding") or b"").decode("latin-1").lower()
    if encoding not in _COMPRESSED:
        return body
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        inflated = inflater.decompress(body, most)
    except zlib.error as exc:
        raise UpstreamBrokeOff("The upstream's answer cannot be decompressed.") from exc
    if inflater.unconsumed_tail:
        raise UpstreamBrokeOff("The upstream's answer goes on beyond all measure.")
    return inflated


class Upstream:
    """An upstream under its base url: the Messages API, or a legacy one."""

    def __init__(self, url: str, timeouts: Timeouts) -> None:
        self._url = httpx.URL(url)
        self._prefix = self._url.raw_path.rstrip(b"/")
        self._origin = str(self._url.copy_with(raw_path=b"/")).rstrip("/")
        self._messages = self._url.copy_with(raw_path=self._prefix + b"/v1/messages")
        self._transport = AiohttpTransport(timeouts, _proxy_for(self._url))

    @property
    def is_on_loopback(self) -> bool:
        """Whether it is on this machine, and asked without a proxy."""
        return self._url.host in _LOOPBACK

    async def ask(self, headers: Headers, body: bytes) -> Answer:
        """Send a Messages request; try again once if no connection could be made."""
        request = httpx.Request("POST", self._messages, headers=headers, content=body)
        try:
            return await self._send(request)
        except UpstreamUnreachable:
            return await self._send(request)

    async def relay(
        self,
        method: str,
        target: bytes,
        headers: Headers,
        body: AsyncIterator[bytes] | bytes | None,
    ) -> Answer:
        """Send a body, as it comes if it is still coming, to a path with its query."""
        request = httpx.Request(
            method,
            self._origin,
            headers=headers,
            content=body,
            extensions={"target": self._prefix + target},
        )
        return await self._send(request)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _send(self, request: httpx.Request) -> Answer:
        with _as_failures():
            return Answer(await self._transport.handle_async_request(request))


def _proxy_for(url: httpx.URL) -> str | None:
    """The proxy that the environment names for this upstream (`HTTPS_PROXY`, `NO_PROXY`)."""
    if url.host in _LOOPBACK or urllib.request.proxy_bypass(url.host):
        return None
    proxy = urllib.request.getproxies().get(url.scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy
