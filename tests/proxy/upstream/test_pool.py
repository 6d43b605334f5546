"""Connections to one origin are made in turn, and the time to connect counts from one's turn."""

import asyncio
import json
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from proxy.upstream.connector import Connector
from proxy.upstream.http11 import Http11Connection
from proxy.upstream.name_lookup import NameLookup
from proxy.upstream.pool import ConnectionCounts, OriginPool
from proxy.upstream.response_stream import ResponseStream
from proxy.upstream.transport import Transport
from tests.harness import ADMIN, ADMIN_TOKEN, V2, body, running_proxy
from tests.scripted_server import (
    Certificate,
    Listening,
    Peer,
    answers,
    ask,
    heard,
    listening,
    ok,
    pipe,
)

pytestmark = pytest.mark.anyio
AT_ONCE = 128


@asynccontextmanager
async def letting_in(hidden: Listening, *numbers: int) -> AsyncIterator[Listening]:
    """Only these connections get as far as the hidden upstream; the handshakes of others hang."""

    async def act(peer: Peer) -> None:
        if len(upstream.peers) not in numbers:
            await peer.is_left()
            return
        reader, writer = await asyncio.open_connection(hidden.host, hidden.port)
        await asyncio.gather(pipe(peer.reader, writer), pipe(reader, peer.writer))

    async with listening(act) as upstream:
        upstream.scheme = "https"
        yield upstream


@asynccontextmanager
async def crowd(
    transport: Transport, upstream: Listening
) -> AsyncIterator[list[asyncio.Task[ResponseStream]]]:
    """As many requests as connect at a time are waiting for connections that are never made."""
    before = len(upstream.peers)
    asking = [
        asyncio.ensure_future(ask(transport, upstream.url, connect=60)) for _ in range(AT_ONCE)
    ]
    try:
        while len(upstream.peers) < before + AT_ONCE:  # noqa: ASYNC110
            await asyncio.sleep(0)
        yield asking
    finally:
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


@asynccontextmanager
async def asking(context: ssl.SSLContext, *, keep_alive: float = 60) -> AsyncIterator[Transport]:
    transport = Transport(context, keep_alive=keep_alive)
    try:
        yield transport
    finally:
        await transport.aclose()


async def turns() -> None:
    """Let everything else have its turn, some times over."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_has_waited_for_longest_connects_next(certificate: Certificate):
    connected: list[int] = []

    async def wait(number: int) -> None:
        response = await ask(transport, upstream.url)
        connected.append(number)
        await heard(response)

    async with (
        listening(answers(ok(b"hello")), context=certificate.context) as hidden,
        letting_in(hidden, *range(AT_ONCE + 1, AT_ONCE + 4)) as upstream,
        asking(certificate.trusting) as transport,
        crowd(transport, upstream) as first_ones,
    ):
        waiting = [asyncio.ensure_future(wait(number)) for number in range(3)]
        await turns()
        at_once = len(upstream.peers)
        first_ones[0].cancel()
        await asyncio.gather(*waiting)

    assert at_once == AT_ONCE
    assert connected == [0, 1, 2]


@asynccontextmanager
async def crowded(
    certificate: Certificate, *, and_then: int = 0, keep_alive: float = 60
) -> AsyncIterator[tuple[OriginPool, Http11Connection, list[asyncio.Task[Http11Connection]]]]:
    """A pool, the only connection it has, and as many that are being made as may be, without end.

    Of those that are made afterwards so many are ready at once.
    """
    is_let_in = (1, *range(AT_ONCE + 2, AT_ONCE + 2 + and_then))
    names = NameLookup()
    async with (
        listening(answers(ok(b"hello")), context=certificate.context) as hidden,
        letting_in(hidden, *is_let_in) as upstream,
    ):
        origin = ("https", upstream.host, upstream.port)
        pool = OriginPool(Connector(origin, certificate.trusting, names, None), keep_alive)
        used = await pool.acquire("", 60)
        connecting = [asks(pool) for _ in range(AT_ONCE)]
        while len(upstream.peers) < 1 + AT_ONCE:  # noqa: ASYNC110
            await asyncio.sleep(0)
        try:
            yield pool, used, connecting
        finally:
            for each in connecting:
                each.cancel()
            await asyncio.gather(*connecting, return_exceptions=True)
            pool.close()
            names.close()


def asks(pool: OriginPool) -> asyncio.Task[Http11Connection]:
    return asyncio.ensure_future(pool.acquire("", 60))


async def test_callers_take_turns_to_connect(certificate: Certificate):
    connected: list[str] = []

    async def connects(caller: str) -> None:
        await pool.acquire(caller, 60)
        connected.append(caller)

    async with crowded(certificate, and_then=5) as (pool, _, connecting):
        waiting = [
            asyncio.ensure_future(connects(caller))
            for caller in (*["flood"] * 3, "polite", "polite")
        ]
        await turns()
        connecting[0].cancel()
        await asyncio.gather(*waiting)

    assert connected == ["flood", "polite", "flood", "polite", "flood"]


@pytest.mark.without_coverage
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("POST", "/v1/complete")])
async def test_they_are_told_apart_by_their_keys(
    certificate: Certificate, method: str, path: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    served: list[bytes] = []

    async def act(peer: Peer) -> None:
        head = await peer.hear()
        served.extend(re.findall(rb"\r\nx-api-key: (\w+)", head, re.IGNORECASE))
        await peer.say(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")

    async def send(key: str) -> None:
        content = json.dumps(body()) if method == "POST" else None
        headers = V2 | {"x-api-key": key}
        await client.request(method, f"{proxy.url}{path}", content=content, headers=headers)

    async def are_there(count: int) -> None:
        while f"holdover_exchanges_running {count}" not in await metrics():
            pass

    async def metrics() -> str:
        return (await client.get(f"{proxy.url}/metrics", headers=ADMIN)).text

    async with (
        listening(act, context=certificate.context) as hidden,
        letting_in(hidden, *range(AT_ONCE + 1, AT_ONCE + 4)) as upstream,
        httpx.AsyncClient(timeout=60, limits=httpx.Limits()) as client,
    ):
        with running_proxy(upstream_url=upstream.url, admin_token=ADMIN_TOKEN) as proxy:
            flood = [asyncio.ensure_future(send("flood")) for _ in range(AT_ONCE)]
            await are_there(AT_ONCE)
            flood += [asyncio.ensure_future(send("flood")) for _ in range(2)]
            await are_there(AT_ONCE + 2)
            polite = asyncio.ensure_future(send("polite"))
            await are_there(AT_ONCE + 3)
            flood[0].cancel()
            await polite
            await asyncio.gather(*flood[-2:])
            for each in flood:
                each.cancel()
            await asyncio.gather(*flood, return_exceptions=True)

    assert served == [b"polite", b"flood", b"flood"]


async def test_who_waits_for_a_turn_gets_what_becomes_idle(certificate: Certificate):
    async with crowded(certificate) as (pool, used, _):
        waiting = asks(pool)
        await turns()
        assert pool.counts == ConnectionCounts(active=1, awaited=1)
        pool.release(used)

        assert await waiting is used
        assert pool.counts == ConnectionCounts(active=1)


async def test_what_became_idle_for_one_who_has_left_is_the_next_ones(certificate: Certificate):
    async with crowded(certificate) as (pool, used, _):
        leaving, waiting = asks(pool), asks(pool)
        await turns()
        pool.release(used)
        leaving.cancel()

        assert await waiting is used


async def test_who_has_left_and_not_noticed_yet_gets_nothing(certificate: Certificate):
    async with crowded(certificate) as (pool, used, _):
        leaving, waiting = asks(pool), asks(pool)
        await turns()
        leaving.cancel()
        pool.release(used)

        assert await waiting is used


async def test_what_is_closed_as_it_is_handed_on_is_not_used(certificate: Certificate):
    async with crowded(certificate, and_then=1) as (pool, used, connecting):
        waiting = asks(pool)
        await turns()
        pool.release(used)
        used.abort()
        connecting[0].cancel()

        assert (await waiting).is_open


async def test_nobody_gets_what_is_not_to_be_kept(certificate: Certificate):
    async with crowded(certificate, and_then=1, keep_alive=0) as (pool, used, connecting):
        waiting = asks(pool)
        await turns()
        pool.release(used)
        connecting[0].cancel()

        assert await waiting is not used


async def test_a_turn_that_came_to_one_who_has_left_is_the_next_ones(certificate: Certificate):
    async with crowded(certificate, and_then=1) as (pool, _, _connecting):
        leaving, waiting = asks(pool), asks(pool)
        await turns()
        pool._end_turn()
        leaving.cancel()  # its turn has come, and it has not seen it

        assert (await waiting).is_open


async def test_a_turn_that_does_not_come_is_given_up(certificate: Certificate):
    async with (
        listening(answers(), context=certificate.context) as hidden,
        letting_in(hidden) as upstream,
        asking(certificate.trusting) as transport,
        crowd(transport, upstream),
    ):
        with pytest.raises(httpx.ConnectTimeout, match="its turn to connect"):
            await ask(transport, upstream.url, connect=0.02)


@pytest.mark.thorough
async def test_the_time_to_connect_does_not_count_before_ones_turn(certificate: Certificate):
    timed_out = asyncio.Event()
    async with (
        listening(answers(ok(b"hello")), context=certificate.context) as hidden,
        letting_in(hidden, AT_ONCE + 1) as upstream,
        asking(certificate.trusting) as transport,
        crowd(transport, upstream) as first_ones,
    ):
        waiting = asyncio.ensure_future(ask(transport, upstream.url, connect=0.5))
        asyncio.get_running_loop().call_later(0.6, timed_out.set)
        await timed_out.wait()
        first_ones[0].cancel()

        assert await heard(await waiting) == b"hello"


async def test_what_has_been_idle_for_too_long_is_not_used_though_its_timer_is_late():
    async with (
        listening(answers(ok(b"1"), ok(b"2"))) as upstream,
        asking(ssl.create_default_context(), keep_alive=0.02) as transport,
    ):
        await heard(await ask(transport, upstream.url))
        hold(0.05)
        await heard(await ask(transport, upstream.url))

        assert len(upstream.peers) == 2


def hold(seconds: float) -> None:
    """Compute for a while; nothing else runs in this loop."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


@pytest.mark.parametrize("arrived", [ok(b"unasked"), b""])
async def test_what_the_kernel_holds_for_an_idle_connection_is_no_answer(arrived: bytes):
    """An answer that nobody asked for, or the end: the loop has had no time to read it."""
    loop = asyncio.get_running_loop()

    async def answer(said: bytes) -> socket.socket:
        far, _ = await loop.sock_accept(listener)
        await loop.sock_recv(far, 65536)
        await loop.sock_sendall(far, said)
        return far

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with asking(ssl.create_default_context()) as transport:
            first, far = await asyncio.gather(ask(transport, url), answer(ok(b"1")))
            await heard(first)
            with far:
                far.sendall(arrived)
                far.shutdown(socket.SHUT_WR)
                second, far_too = await asyncio.gather(ask(transport, url), answer(ok(b"2")))
                with far_too:
                    assert await heard(second) == b"2"
