"""Requests through an outbound proxy, by httpx: rare enough to need no speed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import httpx

from proxy.headers import Headers
from proxy.upstream.egress import trust
from proxy.upstream.pool import KEEP_IDLE_SECONDS
from proxy.upstream.transport import OutgoingRequest

_LIMITS: Final = httpx.Limits(
    max_connections=None,
    max_keepalive_connections=None,
    keepalive_expiry=KEEP_IDLE_SECONDS,
)


class ProxiedTransport:
    """A `Transport` through one proxy."""

    def __init__(self, proxy: str) -> None:
        self._transport = httpx.AsyncHTTPTransport(verify=trust(), proxy=proxy, limits=_LIMITS)

    async def send(self, request: OutgoingRequest) -> _Response:
        """Send a request and wait for the response's head; raises `httpx.TransportError`."""
        scheme, host, port = request.origin
        timeouts = request.timeouts
        url = _RawTargetURL(scheme=scheme, host=host, port=port, target=request.target)
        sent = httpx.Request(
            request.method,
            url,
            headers=request.headers,
            stream=_Stream(request.body),
            extensions={
                "timeout": {
                    "connect": timeouts.connect,
                    "read": timeouts.read,
                    "write": timeouts.read,
                    "pool": None,
                }
            },
        )
        sent.url = url  # the constructor has made a plain one of it
        return _Response(await self._transport.handle_async_request(sent))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


class _Response:
    """An `IncomingResponse` of httpx."""

    def __init__(self, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self.status: int = response.status_code
        self.headers: Headers = list(response.headers.raw)
        self._stream = response.stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, body: Sequence[bytes] | AsyncIterator[bytes]) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not isinstance(self._body, Sequence):
            async for piece in self._body:
                yield piece
            return
        for piece in self._body:
            yield piece
            await asyncio.sleep(0)  # a socket may take all of it at once, and others never run


class _RawTargetURL(httpx.URL):
    """
    A URL whose path and query leave unchanged; httpx would quote some of it again.

    httpx's own extension `target` is no help: a proxy would be asked to CONNECT
    to it, too.
    """

    def __init__(self, *, scheme: str, host: str, port: int, target: bytes) -> None:
        super().__init__(scheme=scheme, host=host, port=port)
        self._target = target

    @property
    def raw_path(self) -> bytes:
        """The path and query."""
        return self._target
