"""Connections to one origin are made in turn, and the time to connect counts from one's turn."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from proxy.upstream.response_stream import ResponseStream
from proxy.upstream.transport import Transport
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


async def test_who_waits_for_a_turn_takes_what_has_become_idle(certificate: Certificate):
    async def act(peer: Peer) -> None:
        await peer.hear()
        await is_crowded.wait()
        await peer.say(ok(b"1"))
        await peer.hear()
        await peer.say(ok(b"2"))

    is_crowded = asyncio.Event()
    async with (
        listening(act, context=certificate.context) as hidden,
        letting_in(hidden, 1) as upstream,
        asking(certificate.trusting) as transport,
    ):
        first = asyncio.ensure_future(ask(transport, upstream.url))
        while not hidden.peers:  # noqa: ASYNC110
            await asyncio.sleep(0)
        async with crowd(transport, upstream) as first_ones:
            waiting = asyncio.ensure_future(ask(transport, upstream.url))
            await turns()
            is_crowded.set()
            assert await heard(await first) == b"1"
            first_ones[0].cancel()

            assert await heard(await waiting) == b"2"
        assert len(upstream.peers) == 1 + AT_ONCE


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
