"""Requests on the wire: pools, the network's faults, TLS."""

import asyncio
import math
import os
import socket
import ssl
import time
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import uvloop

from proxy.upstream.egress import trust
from proxy.upstream.http11 import announced_keep_alive
from proxy.upstream.transport import Transport
from tests.scripted_server import (
    Certificate,
    Peer,
    answers,
    ask,
    heard,
    listening,
    listening_in_a_thread,
    locked,
    ok,
    uncollected,
)

pytestmark = pytest.mark.anyio
KIB = 1024
FOREVER = 60


@asynccontextmanager
async def direct(*, keep_alive: float = FOREVER) -> AsyncIterator[Transport]:
    transport = Transport(ssl.create_default_context(), keep_alive=keep_alive)
    try:
        yield transport
    finally:
        await transport.aclose()


async def turns() -> None:
    """Let everything else have its turn, some times over."""
    for _ in range(5):
        await asyncio.sleep(0)


def tasks() -> int:
    return len(asyncio.all_tasks())


# Connections, used again


async def test_a_connection_is_used_again():
    async with listening(answers(ok(b"1"), ok(b"2"))) as upstream, direct() as transport:
        said = [await heard(await ask(transport, upstream.url)) for _ in range(2)]

        assert said == [b"1", b"2"]
        assert len(upstream.peers) == 1


async def test_of_idle_connections_the_one_that_was_used_last_is_used_first():
    async def act(peer: Peer) -> None:
        number = upstream.peers.index(peer)
        await peer.hear()
        await all_are_here.wait()
        await turn_of[number].wait()
        while True:
            await peer.say(ok(b"%d" % number))
            await peer.hear()

    all_are_here, turn_of = asyncio.Barrier(3), [asyncio.Event() for _ in range(3)]
    async with listening(act) as upstream, direct() as transport:
        asking = [asyncio.ensure_future(ask(transport, upstream.url)) for _ in range(3)]
        for number in (2, 0, 1):
            turn_of[number].set()
            waiting = [one for one in asking if not one.done()]
            await asyncio.wait(waiting, return_when=FIRST_COMPLETED)
        said = [await heard(await ask(transport, upstream.url)) for _ in range(3)]

        assert said == [b"1", b"1", b"1"]
        assert len(upstream.peers) == 3


async def test_each_origin_has_connections_of_its_own():
    async with (
        listening(answers(ok(b"one"))) as one,
        listening(answers(ok(b"two"))) as two,
        direct() as transport,
    ):
        said = [await heard(await ask(transport, there.url)) for there in (one, two)]

    assert said == [b"one", b"two"]


async def test_a_connection_that_upstream_has_closed_is_not_used_again():
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(ok(b"last"))
        peer.writer.close()
        await peer.writer.wait_closed()
        closed.set()

    closed = asyncio.Event()
    async with listening(act) as upstream, direct() as transport:
        for _ in range(2):
            closed.clear()
            assert await heard(await ask(transport, upstream.url)) == b"last"
            await closed.wait()
            await turns()

        assert len(upstream.peers) == 2


def closing_as_it_is_used_again(*last_words: bytes):
    """The first connection answers once, and closes at the next question; others answer."""
    questions: list[bytes] = []

    async def act(peer: Peer) -> None:
        questions.append(await peer.hear())
        await peer.say(ok(b"%d" % len(questions)))
        questions.append(await peer.hear())
        await peer.say(*last_words)
        if len(questions) > 2:
            await peer.say(ok(b"again"))

    return act


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_what_may_be_repeated_is_asked_again_where_its_connection_closed(method):
    act = closing_as_it_is_used_again()
    async with listening(act) as upstream, direct() as transport:
        await heard(await ask(transport, upstream.url))
        again = await ask(transport, upstream.url, method=method, may_repeat=True)

        assert again.status == 200
        assert len(upstream.peers) == 2
        await again.aclose()


async def test_nothing_is_asked_three_times_however_many_connections_are_idle():
    questions: list[bytes] = []
    all_are_here = asyncio.Barrier(3)

    async def act(peer: Peer) -> None:
        if len(upstream.peers) <= 3:
            await peer.hear()
            await all_are_here.wait()
            await peer.say(ok(b"hello"))
        questions.append(await peer.hear())

    async with listening(act) as upstream, direct() as transport:
        first = await asyncio.gather(*(ask(transport, upstream.url) for _ in range(3)))
        await asyncio.gather(*map(heard, first))
        with pytest.raises(httpx.ReadError):
            await ask(transport, upstream.url, may_repeat=True)

        assert len(questions) == 2
        assert len(upstream.peers) == 4


async def test_what_may_not_be_repeated_is_asked_once():
    act = closing_as_it_is_used_again()
    async with listening(act) as upstream, direct() as transport:
        await heard(await ask(transport, upstream.url))
        with pytest.raises(httpx.ReadError):
            await ask(transport, upstream.url, method="POST", content=b"{}")

        assert len(upstream.peers) == 1


async def test_an_answer_that_broke_off_is_no_reason_to_ask_again():
    act = closing_as_it_is_used_again(b"HTTP/1.1 200")
    async with listening(act) as upstream, direct() as transport:
        await heard(await ask(transport, upstream.url))
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(transport, upstream.url, may_repeat=True)

        assert len(upstream.peers) == 1


async def test_lines_without_cr_and_padded_sizes_are_read():
    plain = b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok"
    padded = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n"
    async with listening(answers(plain, padded)) as upstream, direct() as transport:
        said = [await heard(await ask(transport, upstream.url)) for _ in range(2)]

    assert said == [b"ok", b"ok"]


async def test_idle_connections_are_closed_in_time():
    async def act(peer: Peer) -> None:
        await peer.hear()
        await all_are_here.wait()
        await peer.say(ok(b"hello"))
        await peer.is_left()
        await all_are_left.wait()

    all_are_here, all_are_left = asyncio.Barrier(3), asyncio.Barrier(4)
    async with listening(act) as upstream, direct(keep_alive=0.02) as transport:
        for times in (1, 2):
            await asyncio.gather(*(ask(transport, upstream.url) for _ in range(3)))
            await all_are_left.wait()

            assert len(upstream.peers) == 3 * times


async def test_an_idle_connection_is_closed_before_the_time_that_the_upstream_says():
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\ncontent-length: 2\r\n\r\nhi")
        await peer.is_left()
        left.set()

    left = asyncio.Event()
    async with listening(act) as upstream, direct() as transport:
        for times in (1, 2):
            assert await heard(await ask(transport, upstream.url)) == b"hi"
            await left.wait()
            left.clear()

            assert len(upstream.peers) == times


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 4),
        (b"timeout=5, max=100", 4),
        (b"max=100,Timeout=72", 71),
        (b"timeout=1", 0.5),
        (b"timeout=0", 0),
        (b"max=100", math.inf),
        (b"timeout=", math.inf),
        (b"timeout=1.5", math.inf),
        (b"timeout=-1", math.inf),
        (b"timeout=9999999999", math.inf),
        (b"notimeout=5", math.inf),
    ],
)
def test_an_upstream_says_how_long_it_keeps_a_connection(value: bytes, seconds: float):
    assert announced_keep_alive([(b"Date", b"now"), (b"Keep-Alive", value)]) == seconds


async def test_a_connection_in_use_outlasts_the_idle_ones():
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
        if len(upstream.peers) == 1:
            await first_left.wait()
        await peer.say(b"llo")
        await peer.is_left()
        first_left.set()

    first_left = asyncio.Event()
    async with listening(act) as upstream, direct(keep_alive=0.01) as transport:
        slow = await ask(transport, upstream.url)
        await heard(await ask(transport, upstream.url))

        assert await heard(slow) == b"hello"


async def test_closing_breaks_off_what_is_still_open():
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
        await peer.is_left()
        left.set()

    left = asyncio.Event()
    async with listening(act) as upstream, direct() as transport:
        answer = await ask(transport, upstream.url)
        await transport.aclose()

        with pytest.raises(httpx.RemoteProtocolError):
            await heard(answer)
        await left.wait()


async def test_what_was_closed_can_be_used_again_in_another_loop():
    transport = Transport(ssl.create_default_context())

    async def once() -> bytes:
        async with listening(answers(ok(b"hello"))) as upstream:
            said = await heard(await ask(transport, upstream.url))
            await transport.aclose()
            return said

    def run() -> list[bytes]:
        heard_in = []
        for loop in (asyncio.new_event_loop, uvloop.new_event_loop):
            with asyncio.Runner(loop_factory=loop) as runner:
                heard_in.append(runner.run(once()))
        return heard_in

    assert await asyncio.to_thread(run) == [b"hello", b"hello"]


async def test_what_was_not_closed_says_so_in_another_loop():
    transport = Transport(ssl.create_default_context())
    ends = ExitStack()

    def serve_one(listener: socket.socket) -> None:
        accepted = ends.enter_context(listener.accept()[0])
        accepted.recv(65536)
        accepted.sendall(ok(b"hello"))

    def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"

            async def once() -> bytes:
                serving = asyncio.to_thread(serve_one, listener)
                _, said = await asyncio.gather(serving, ask(transport, url))
                return await heard(said)

            with asyncio.Runner() as first, asyncio.Runner() as second:
                assert first.run(once()) == b"hello"
                with pytest.raises(RuntimeError, match="different loop"):
                    second.run(ask(transport, url))
                first.run(transport.aclose())

    with ends:
        await asyncio.to_thread(run)


# Requests as they are spelled


async def test_a_request_leaves_as_it_is_given():
    async def act(peer: Peer) -> None:
        requests.append(await peer.hear())
        requests.append(await peer.hear_body(4))
        await peer.say(ok(b""))

    requests: list[bytes] = []
    headers = [
        (b"X-Two", b"1"),
        (b"x-one", b"caf\xe9"),
        (b"X-Two", b"2"),
        (b"content-length", b"4"),
    ]
    async with listening(act) as upstream, direct() as transport:
        url = upstream.url + "/a%2Fb?c=%20d"
        await heard(await ask(transport, url, method="PUT", headers=headers, content=b"body"))

        host = upstream.url.removeprefix("http://").encode()
    assert requests == [
        b"PUT /a%%2Fb?c=%%20d HTTP/1.1\r\nHost: %b\r\n"
        b"X-Two: 1\r\nx-one: caf\xe9\r\nX-Two: 2\r\ncontent-length: 4" % host,
        b"body",
    ]


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\n\r"])
async def test_a_header_is_never_two(value: bytes):
    async with listening(answers(ok(b""))) as upstream, direct() as transport:
        with pytest.raises(httpx.LocalProtocolError):
            await ask(transport, upstream.url, headers=[(b"x", value)])

        assert upstream.peers == []


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def test_a_body_of_unknown_length_leaves_in_chunks():
    async def act(peer: Peer) -> None:
        requests.append(await peer.hear())
        requests.append(await peer.reader.readuntil(b"0\r\n\r\n"))
        await peer.say(ok(b"hello"))

    requests: list[bytes] = []
    async with listening(act) as upstream, direct() as transport:
        body = pieces(b"one", b"", b"and two")
        answer = await ask(transport, upstream.url, method="POST", content=body)

        assert await heard(answer) == b"hello"
    assert requests[0].endswith(b"\r\nTransfer-Encoding: chunked")
    assert requests[1] == b"3\r\none\r\n7\r\nand two\r\n0\r\n\r\n"


@pytest.mark.parametrize("is_whole", [False, True])
async def test_a_large_body_arrives(is_whole: bool):
    size = 2000 * KIB

    async def act(peer: Peer) -> None:
        await peer.hear()
        arrived.append(await peer.hear_body(size))
        await peer.say(ok(b"hello"))

    arrived: list[bytes] = []
    body = os.urandom(size)
    async with listening(act) as upstream, direct() as transport:
        answer = await ask(
            transport,
            upstream.url,
            method="POST",
            headers=[(b"content-length", b"%d" % size)],
            content=body if is_whole else pieces(body[:1000], body[1000:]),
        )

        assert await heard(answer) == b"hello"
    assert arrived == [body]


async def test_a_body_that_is_not_wanted_ends_with_its_answer():
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await peer.is_left()
        left.set()

    left = asyncio.Event()
    size = 30 * KIB * KIB
    before = tasks()
    async with listening(act) as upstream, direct() as transport:
        answer = await ask(
            transport,
            upstream.url,
            method="POST",
            headers=[(b"content-length", b"%d" % size)],
            content=bytes(size),
        )

        assert (answer.status, await heard(answer)) == (413, b"no")
        await left.wait()
    assert tasks() == before


async def test_the_answer_to_head_has_no_body():
    said = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
    async with listening(answers(said)) as upstream, direct() as transport:
        answer = await ask(transport, upstream.url, method="HEAD")

        assert (dict(answer.headers)[b"content-length"], await heard(answer)) == (b"5", b"")


async def test_what_a_client_no_longer_waits_for_is_closed():
    async def act(peer: Peer) -> None:
        await peer.hear()
        arrived.set()
        await peer.is_left()
        left.set()

    arrived, left, before = asyncio.Event(), asyncio.Event(), tasks()
    async with listening(act) as upstream, direct() as transport:
        asking = asyncio.ensure_future(ask(transport, upstream.url))
        await arrived.wait()
        asking.cancel()
        await left.wait()

        with pytest.raises(asyncio.CancelledError):
            await asking
    assert tasks() == before


async def test_who_stops_waiting_as_the_answer_comes_breaks_nothing_off():
    """The connection belongs to the next request by then."""
    async with listening(answers(ok(b"1"), ok(b"2"))) as upstream, direct() as transport:
        first = asyncio.ensure_future(ask(transport, upstream.url))
        # In the very turn after the answer's:
        while not any(pool._idle for pool in transport._pools.values()):  # noqa: ASYNC110
            await asyncio.sleep(0)
        first.cancel()
        second = await ask(transport, upstream.url)

        assert await heard(second) == b"2"
        assert len(upstream.peers) == 1
        await asyncio.wait([first])


async def test_an_answer_whose_reader_is_cancelled_is_closed_with_its_connection():
    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await peer.is_left()
        left.set()

    left, before = asyncio.Event(), tasks()
    async with listening(act) as upstream, direct() as transport:
        reading = asyncio.ensure_future(heard(await ask(transport, upstream.url)))
        await turns()
        reading.cancel()
        await left.wait()

        assert reading.cancelled()
    assert tasks() == before


async def test_requests_leave_nothing_to_the_collector():
    async with listening(answers(*[ok(b"hello")] * 4)) as upstream, direct() as transport:
        await heard(await ask(transport, upstream.url))
        with uncollected() as left:
            for _ in range(3):
                await heard(await ask(transport, upstream.url, method="POST", content=b"?"))

    assert left == []


# Connections that are never made


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with direct() as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("host", ["nobody.invalid", "a" * 64 + ".invalid"])
async def test_a_name_that_does_not_resolve(host: str):
    async with direct() as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, f"http://{host}")


async def test_an_upstream_may_have_an_address_of_version_6():
    async with listening(answers(ok(b"hello")), host="::1") as upstream, direct() as transport:
        assert await heard(await ask(transport, upstream.url)) == b"hello"


async def test_a_name_with_several_addresses_is_tried_until_one_is_there():
    async with listening(answers(ok(b"hello"))) as upstream, direct() as transport:
        url = upstream.url.replace("127.0.0.1", "localhost")

        assert await heard(await ask(transport, url)) == b"hello"


async def test_an_upstream_that_lets_nobody_in_is_given_up():
    async with direct() as transport:
        with locked() as url, pytest.raises(httpx.ConnectTimeout):
            await ask(transport, url, connect=0.05)


@pytest.mark.without_coverage
async def test_a_worker_that_is_busy_is_no_upstream_that_is_slow():
    """While this loop computes, the kernel makes the connection."""

    def compute() -> None:
        end = time.perf_counter() + 0.3
        while time.perf_counter() < end:
            pass

    loop = asyncio.get_running_loop()
    with listening_in_a_thread(answers(ok(b"hello"))) as upstream:
        async with direct() as transport:
            asking = asyncio.ensure_future(ask(transport, upstream.url, connect=0.05))
            for _ in range(3):
                await asyncio.sleep(0)
                loop.call_soon(compute)

            assert await heard(await asking) == b"hello"


async def test_who_no_longer_waits_for_a_connection_leaves_none():
    before, open_before = tasks(), open_sockets()
    async with direct() as transport:
        with locked() as url:
            asking = asyncio.ensure_future(ask(transport, url))
            await turns()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

        assert tasks() == before
    assert open_sockets() == open_before


def open_sockets() -> set[str]:
    """Of this process."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found.add(str(each.readlink()))
    return {name for name in found if name.startswith("socket:")}


async def test_an_upstream_that_leaves_at_once_breaks_off_or_is_not_there():
    async def act(peer: Peer) -> None:
        peer.crash()

    async with listening(act) as upstream, direct() as transport:
        for _ in range(30):
            with pytest.raises(httpx.TransportError):
                await ask(transport, upstream.url)


# TLS


async def test_tls_of_a_trusted_authority(certificate: Certificate):
    act = answers(ok(b"1"), ok(b"2"))
    async with listening(act, context=certificate.context) as upstream:
        transport = Transport(certificate.trusting)
        said = [await heard(await ask(transport, upstream.url)) for _ in range(2)]
        await transport.aclose()

        assert said == [b"1", b"2"]
        assert len(upstream.peers) == 1


async def test_the_environment_may_name_the_authority(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    async with listening(answers(ok(b"hello")), context=certificate.context) as upstream:
        transport = Transport(trust())

        assert await heard(await ask(transport, upstream.url)) == b"hello"
        await transport.aclose()


async def test_an_unknown_authority_is_not_trusted(certificate: Certificate):
    async with (
        listening(answers(ok(b"hello")), context=certificate.context) as upstream,
        direct() as transport,
    ):
        with pytest.raises(httpx.ConnectError, match="self-signed certificate"):
            await ask(transport, upstream.url)


async def test_a_certificate_for_another_name_is_not_trusted(certificate: Certificate):
    async with listening(answers(ok(b"hello")), context=certificate.context) as upstream:
        transport = Transport(certificate.trusting)

        with pytest.raises(httpx.ConnectError, match="not valid for 'localhost'"):
            await ask(transport, upstream.url.replace("127.0.0.1", "localhost"))


async def test_an_upstream_without_tls_is_no_upstream_with_it():
    async def act(peer: Peer) -> None:
        await peer.say(ok(b"hello"))
        await peer.is_left()

    async with listening(act) as upstream, direct() as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, upstream.url.replace("http:", "https:"))


async def test_who_no_longer_waits_for_a_handshake_leaves_no_connection():
    async def act(peer: Peer) -> None:
        await peer.reader.readexactly(1)
        begun.set()
        await peer.is_left()
        left.set()

    begun, left, before = asyncio.Event(), asyncio.Event(), tasks()
    async with listening(act) as upstream, direct() as transport:
        url = upstream.url.replace("http:", "https:")
        asking = asyncio.ensure_future(ask(transport, url))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await left.wait()
    assert tasks() == before


async def test_a_handshake_that_stops_is_given_up():
    async with listening(Peer.is_left) as upstream, direct() as transport:
        with pytest.raises(httpx.ConnectTimeout):
            await ask(transport, upstream.url.replace("http:", "https:"), connect=0.05)


async def test_an_upstream_that_leaves_as_it_shakes_hands_is_not_asked(certificate: Certificate):
    """Its farewell comes with the end of the handshake: the connection is lost as it is made."""

    async def act(peer: Peer) -> None:
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(heard, said, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await peer.say(said.read())
                heard.write(await peer.reader.read(65536))
        with suppress(ssl.SSLWantReadError):
            tls.unwrap()
        await peer.say(said.read())
        await peer.is_left()

    context = certificate.context
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where upstream has the last word of it
    async with listening(act) as upstream:
        transport = Transport(certificate.trusting)

        with pytest.raises(httpx.TransportError, match=r"before it was used|closed the"):
            await ask(transport, upstream.url.replace("http:", "https:"))
        assert transport._pools.popitem()[1]._all == set()


async def test_a_large_body_over_tls_and_back(certificate: Certificate):
    size = 3000 * KIB

    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(ok(await peer.hear_body(size)))

    body = os.urandom(size)
    async with listening(act, context=certificate.context) as upstream:
        transport = Transport(certificate.trusting)
        answer = await ask(transport, upstream.url, method="POST", content=body)

        assert await heard(answer) == body
        await transport.aclose()


async def test_an_answer_until_the_end_over_tls_is_whole_however_slowly_it_is_read(
    certificate: Certificate,
):
    body = os.urandom(3000 * KIB)

    async def act(peer: Peer) -> None:
        await peer.hear()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n", body)

    async with listening(act, context=certificate.context) as upstream:
        transport = Transport(certificate.trusting)
        answer = await ask(transport, upstream.url)
        read = b""
        async for piece in answer:
            read += piece
            await turns()

        assert read == body
        await transport.aclose()
