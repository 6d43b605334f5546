"""
Asks a proxy for a tunnel (RFC 9110, section 9.3.6), as an asyncio protocol.

Afterwards the transport carries TLS, and another protocol takes its place.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import httpx

from proxy.upstream.egress import OutboundProxy
from proxy.upstream.response_parser import ParsedResponse, ResponseError, ResponseParser

_SUCCESS: Final = range(200, 300)


class TunnelRequest(asyncio.Protocol):
    """A request for a tunnel to a host and port, which leaves as soon as there is a connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, proxy: OutboundProxy, to: bytes) -> None:
        self._proxy = proxy
        self._to = to
        self._response = ParsedResponse(has_body=False)
        self._parser = ResponseParser()
        self._answered: asyncio.Future[None] = loop.create_future()

    async def granted(self) -> None:
        """Wait until the tunnel is open; raises `httpx.ProxyError` or `OSError`."""
        try:
            await self._answered
        finally:
            self._parser.close()
        if self._response.status not in _SUCCESS:
            raise httpx.ProxyError(f"it answered CONNECT with status {self._response.status}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        self._parser.begin(self._response)
        fields = [b"CONNECT %b HTTP/1.1" % self._to, b"Host: " + self._to]
        if self._proxy.authorization is not None:
            fields.append(b"Proxy-Authorization: " + self._proxy.authorization)
        cast("asyncio.Transport", transport).write(b"\r\n".join((*fields, b"", b"")))

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what comes after the head is nobody's, for TLS begins with a client."""
        if self._answered.done():
            return
        try:
            self._parser.feed(data)
        except ResponseError as exc:
            self._fail(httpx.ProxyError(str(exc)))
        else:
            if self._response.is_complete:
                self._answered.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        if not self._answered.done():
            self._fail(exc or ConnectionResetError("The proxy closed the connection."))

    def _fail(self, error: Exception) -> None:
        self._answered.set_exception(error)
        self._answered.exception()  # retrieved, even if nobody waits any more
