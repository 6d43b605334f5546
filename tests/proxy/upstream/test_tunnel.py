"""What a proxy may answer to CONNECT: its far end is a socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from proxy.upstream.egress import OutboundProxy
from proxy.upstream.tunnel import TunnelRequest

pytestmark = pytest.mark.anyio
KIB = 1024


@dataclass
class Wire:
    """A request for a tunnel, and the proxy's end of its connection."""

    request: TunnelRequest
    transport: asyncio.BaseTransport
    far: socket.socket

    def hear(self, *pieces: bytes) -> None:
        """As if they had been read from the socket, one after the other."""
        for piece in pieces:
            self.request.data_received(piece)


@asynccontextmanager
async def asking(authorization: bytes | None = None) -> AsyncIterator[Wire]:
    loop = asyncio.get_running_loop()
    proxy = OutboundProxy(("http", "proxy", 3128), authorization)
    near, far = socket.socketpair()
    far.settimeout(0)
    with far:
        transport, request = await loop.create_connection(
            lambda: TunnelRequest(loop, proxy, b"upstream.invalid:443"), sock=near
        )
        yield Wire(request, transport, far)
        transport.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize("authorization", [None, b"Basic eDp5"])
async def test_a_tunnel_is_asked_for_by_host_and_port(authorization: bytes | None):
    async with asking(authorization) as line:
        said = await asyncio.get_running_loop().sock_recv(line.far, 65536)

    fields = [b"CONNECT upstream.invalid:443 HTTP/1.1", b"Host: upstream.invalid:443"]
    if authorization is not None:
        fields.append(b"Proxy-Authorization: Basic eDp5")
    assert said == b"\r\n".join([*fields, b"", b""])


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",  # means nothing: RFC 9110, section 9.3.6
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 Well\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nand more, which is nobody's",
    ],
)
async def test_any_success_opens_a_tunnel_however_its_bytes_arrive(said: bytes):
    for pieces in ([said], [said[at : at + 1] for at in range(len(said))]):
        async with asking() as line:
            line.hear(*pieces)

            await line.request.granted()


@pytest.mark.parametrize("status", [302, 403, 407, 502])
async def test_anything_else_is_a_refusal(status: int):
    async with asking() as line:
        line.hear(b"HTTP/1.1 %d No\r\ncontent-length: 500\r\n\r\n<html>" % status)

        with pytest.raises(httpx.ProxyError, match=f"answered CONNECT with status {status}"):
            await line.request.granted()


async def test_what_does_not_speak_http_is_no_proxy():
    async with asking() as line:
        line.hear(b"SSH-2.0-OpenSSH_9.6\r\n", b"more")

        with pytest.raises(httpx.ProxyError, match="does not speak HTTP"):
            await line.request.granted()


@pytest.mark.parametrize("more", [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: y"])
async def test_a_proxy_that_never_comes_to_the_point_is_given_up(more: bytes):
    async with asking() as line:
        line.hear(*[more, b"x" * 8 * KIB, b"\r\n\r\n"][: 1 if b"103" in more else 2])
        for _ in range(300 * KIB // len(more)):
            line.hear(more)

        with pytest.raises(httpx.ProxyError):
            await line.request.granted()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200"])
async def test_a_proxy_that_leaves_has_not_opened_a_tunnel(said: bytes):
    async with asking() as line:
        await asyncio.get_running_loop().sock_recv(line.far, 65536)
        line.hear(said)
        line.far.close()

        with pytest.raises(ConnectionResetError, match="closed the connection"):
            await line.request.granted()


async def test_a_proxy_that_leaves_after_its_answer_has_answered():
    async with asking() as line:
        line.hear(b"HTTP/1.1 403 No\r\n\r\n")
        line.request.connection_lost(ConnectionResetError())

        with pytest.raises(httpx.ProxyError):
            await line.request.granted()
