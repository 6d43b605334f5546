"""
httpx's transport interface over aiohttp: how requests get onto the wire.

httpx's own pool looks through every connection for every request, which is
what makes it slow under load. The transport is ours, since the published one
repeats a request header only joined, rewrites percent-encoded paths, and
reports a connection that broke after the request was sent as one that was
never made, which would make a retry ask, and cost, twice.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
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

_NO_HEADERS_OF_ITS_OWN: Final = (
    hdrs.ACCEPT,
    hdrs.ACCEPT_ENCODING,
    hdrs.CONTENT_TYPE,
    hdrs.USER_AGENT,
)
# Longer-lived idle connections are more likely closed from the far side just as they are reused.
_KEEP_IDLE_SECONDS: Final = 15
_HEADER_BYTES: Final = 64 * 1024
_LARGE_BYTES: Final = 256 * 1024


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
