"""
Makes connections to one origin: directly, through a proxy, or through a tunnel of a proxy.

An https origin behind a proxy is reached through a tunnel; requests for an http origin are told to
the proxy itself. Either way the connection is one of ours, and all that holds for it holds.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, TypeVar

import aiohappyeyeballs

from proxy.upstream.egress import Origin, OutboundProxy, authority
from proxy.upstream.http11 import ConnectionPool, Http11Connection
from proxy.upstream.name_lookup import NameLookup
from proxy.upstream.tunnel import TunnelRequest

_HEAD_START_SECONDS: Final = 0.25
"""Time for which one address of a name is tried alone (RFC 8305, section 8)."""

P = TypeVar("P", bound=asyncio.Protocol)


class Connector:
    """Knows the way to one origin."""

    def __init__(
        self,
        origin: Origin,
        context: ssl.SSLContext,
        names: NameLookup,
        proxy: OutboundProxy | None,
    ) -> None:
        self._origin = origin
        self._context = context
        self._names = names
        self._proxy = proxy

    async def connect(self, pool: ConnectionPool) -> Http11Connection:
        """
        Make a connection that is ready for a request.

        Raises `OSError`, `UnicodeError` for a name too long for the DNS, and
        `httpx.ProxyError` if the proxy refuses.
        """
        loop = asyncio.get_running_loop()
        scheme, host, port = self._origin
        if self._proxy is None:
            _, connection = await self._open(self._origin, lambda: Http11Connection(pool, loop))
            return connection
        proxy = self._proxy
        if scheme == "http":
            _, connection = await self._open(proxy.origin, lambda: Http11Connection(pool, loop))
            return connection
        transport, request = await self._open(
            proxy.origin, lambda: TunnelRequest(loop, proxy, authority(host, port).encode())
        )
        connection = Http11Connection(pool, loop)
        try:
            await request.granted()
            inner = await loop.start_tls(transport, connection, self._context, server_hostname=host)
        except BaseException:
            transport.abort()
            raise
        assert inner is not None
        connection.connection_made(inner)
        return connection

    async def _open(self, to: Origin, protocol: Callable[[], P]) -> tuple[asyncio.Transport, P]:
        """Connect to the first of a host's addresses that answers, with TLS if it is https."""
        loop = asyncio.get_running_loop()
        scheme, host, port = to
        addresses = await self._names.addresses(host, port)
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_HEAD_START_SECONDS, interleave=1, loop=loop
        )
        is_secure = scheme == "https"
        try:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return await loop.create_connection(
                protocol,
                sock=connected,
                ssl=self._context if is_secure else None,
                server_hostname=host if is_secure else None,
            )
        except BaseException:
            connected.close()
            raise
