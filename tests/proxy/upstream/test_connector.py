"""The same holds on every way to an upstream: directly, through a proxy, through a tunnel."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from proxy.upstream.egress import OutboundProxy
from proxy.upstream.name_lookup import Addresses, NameLookup
from proxy.upstream.transport import Transport
from tests.scripted_server import (
    Act,
    Certificate,
    Listening,
    Peer,
    Tunnel,
    answers,
    ask,
    heard,
    listening,
    ok,
)

pytestmark = [pytest.mark.anyio, pytest.mark.without_coverage]
NAME = "upstream.invalid"
WAYS = ["direct", "direct TLS", "relayed", "relayed over TLS", "tunnel", "tunnel over TLS"]
every_way = pytest.mark.parametrize("way", WAYS)


@dataclass
class Reached:
    """An upstream, and the transport that reaches it by one of the ways."""

    transport: Transport
    url: str
    upstream: Listening

    async def ask(self, **request: object) -> bytes:
        return await heard(await ask(self.transport, self.url, **request))  # type: ignore[arg-type]


@asynccontextmanager
async def reached(way: str, act: Act, certificate: Certificate) -> AsyncIterator[Reached]:
    async with AsyncExitStack() as opened:
        is_secure = way in {"direct TLS", "relayed over TLS", "tunnel", "tunnel over TLS"}
        upstream = await opened.enter_async_context(
            listening(act, context=certificate.context if is_secure else None)
        )
        url, proxy = upstream.url, None
        if way.startswith("relayed"):
            url = f"http://{NAME}"
            proxy = OutboundProxy((upstream.scheme, upstream.host, upstream.port))
        elif way.startswith("tunnel"):
            url = f"https://{NAME}"
            context = certificate.context if way.endswith("TLS") else None
            tunnel = await opened.enter_async_context(listening(Tunnel(upstream), context=context))
            proxy = OutboundProxy((tunnel.scheme, tunnel.host, tunnel.port))
        transport = Transport(certificate.trusting, proxy=proxy)
        try:
            yield Reached(transport, url, upstream)
        finally:
            await transport.aclose()


async def turns() -> None:
    """Let everything else have its turn, some times over."""
    for _ in range(20):
        await asyncio.sleep(0)


@every_way
async def test_a_connection_is_used_again(way: str, certificate: Certificate):
    async with reached(way, answers(ok(b"1"), ok(b"2")), certificate) as there:
        assert [await there.ask() for _ in range(2)] == [b"1", b"2"]
        assert len(there.upstream.peers) == 1


@every_way
async def test_a_large_body_goes_there_and_back(way: str, certificate: Certificate):
    body = b"0123456789abcdef" * 65536

    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(ok(await peer.hear_body(len(body))))

    async with reached(way, act, certificate) as there:
        assert await there.ask(method="POST", content=body) == body


@every_way
async def test_an_answer_that_nobody_asked_for_reaches_nobody(way: str, certificate: Certificate):
    async def act(peer: Peer) -> None:
        number = len(there.upstream.peers)
        await peer.hear()
        await peer.say(ok(b"%d" % number))
        await asked_once.wait()
        await peer.say(ok(b"unasked"))
        await peer.is_left()
        left.set()

    asked_once, left = asyncio.Event(), asyncio.Event()
    async with reached(way, act, certificate) as there:
        assert await there.ask() == b"1"
        asked_once.set()
        await left.wait()  # it ends the connection
        assert await there.ask() == b"2"


@every_way
async def test_an_answer_behind_another_reaches_nobody(way: str, certificate: Certificate):
    async def act(peer: Peer) -> None:
        number = len(there.upstream.peers)
        await peer.hear()
        await peer.say(ok(b"%d" % number) + ok(b"unasked"))
        await peer.is_left()

    async with reached(way, act, certificate) as there:
        assert [await there.ask() for _ in range(3)] == [b"1", b"2", b"3"]


@every_way
async def test_an_upstream_that_leaves_behind_its_answer_has_answered(
    way: str, certificate: Certificate
):
    async with reached(way, answers(ok(b"whole")), certificate) as there:
        assert [await there.ask() for _ in range(20)] == [b"whole"] * 20


@every_way
async def test_what_met_a_closed_connection_is_asked_again(way: str, certificate: Certificate):
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(ok(b"one"))
        await peer.hear()

    async with reached(way, act, certificate) as there:
        said = [await there.ask(method="POST", content=b"", may_repeat=True) for _ in range(20)]

    assert said == [b"one"] * 20


@every_way
async def test_interim_answers_without_end_are_given_up(way: str, certificate: Certificate):
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 20_000)

    async with reached(way, act, certificate) as there:
        with pytest.raises(httpx.RemoteProtocolError, match="headers are too long"):
            await there.ask()


@every_way
async def test_a_client_that_leaves_leaves_no_connection(way: str, certificate: Certificate):
    async def act(peer: Peer) -> None:
        await peer.hear()
        begun.set()
        await peer.is_left()
        left.set()

    begun, left = asyncio.Event(), asyncio.Event()
    async with reached(way, act, certificate) as there:
        asking = asyncio.ensure_future(there.ask())
        await begun.wait()
        asking.cancel()
        await left.wait()
        with pytest.raises(asyncio.CancelledError):
            await asking


@pytest.mark.parametrize("secure", [False, True])
async def test_who_no_longer_waits_for_a_tunnel_leaves_no_connection(
    certificate: Certificate, secure: bool
):
    async def act(peer: Peer) -> None:
        await peer.hear()
        if secure:  # the handshake in the tunnel hangs
            await peer.say(b"HTTP/1.1 200 Go on\r\n\r\n")
            await peer.reader.readexactly(1)
        begun.set()
        await peer.is_left()
        left.set()

    begun, left, before = asyncio.Event(), asyncio.Event(), len(asyncio.all_tasks())
    async with listening(act) as proxy:
        transport = Transport(
            certificate.trusting, proxy=OutboundProxy(("http", proxy.host, proxy.port))
        )
        asking = asyncio.ensure_future(ask(transport, f"https://{NAME}"))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await left.wait()
        await transport.aclose()
    assert len(asyncio.all_tasks()) == before


async def test_a_proxy_over_tls_must_be_known(certificate: Certificate):
    async with listening(answers(), context=certificate.context) as proxy:
        transport = Transport(
            ssl.create_default_context(), proxy=OutboundProxy(("https", proxy.host, proxy.port))
        )
        with pytest.raises(httpx.ConnectError, match="self-signed certificate"):
            await ask(transport, f"https://{NAME}")


async def test_a_burst_of_connections_costs_one_look_up():
    gate = asyncio.Event()
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Addresses:
        asked.append(host)
        await gate.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async with listening(answers(ok(b"hello"))) as upstream:
        transport = Transport(ssl.create_default_context(), names=NameLookup(resolve))
        url = f"http://{NAME}:{upstream.port}"
        asking = [asyncio.ensure_future(ask(transport, url)) for _ in range(100)]
        await turns()
        gate.set()
        said = [await heard(response) for response in await asyncio.gather(*asking)]
        await transport.aclose()

    assert said == [b"hello"] * 100
    assert asked == [NAME]
