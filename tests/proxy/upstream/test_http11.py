"""One connection: its far end is a socket, or bytes that are handed over in pieces of any size."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise, permutations

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.upstream.http11 import Http11Connection
from proxy.upstream.response_stream import ResponseStream
from tests.scripted_server import uncollected

pytestmark = pytest.mark.anyio
KIB = 1024
LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"


@dataclass
class Pool:
    """Remembers what becomes of connections."""

    idle: list[Http11Connection] = field(default_factory=list)
    closed: list[Http11Connection] = field(default_factory=list)

    def release(self, connection: Http11Connection) -> None:
        self.idle.append(connection)

    def discard(self, connection: Http11Connection) -> None:
        self.closed.append(connection)


@dataclass
class Wire:
    """A connection and its far end."""

    connection: Http11Connection
    far: socket.socket
    pool: Pool

    def ask(
        self, head: bytes = b"?", *, has_body: bool = True, read_timeout: float = 60
    ) -> ResponseStream:
        return self.connection.begin(head, has_body=has_body, read_timeout=read_timeout)

    def hear(self, *pieces: bytes) -> None:
        """As if they had been read from the socket, one after the other."""
        for piece in pieces:
            self.connection.data_received(piece)

    async def said(self, size: int) -> bytes:
        """So much of what has been written."""
        said = b""
        while len(said) < size:
            said += await asyncio.get_running_loop().sock_recv(self.far, size - len(said))
        return said

    async def is_left(self) -> None:
        """Wait until the connection's own end is closed."""
        with suppress(ConnectionError):
            while await asyncio.get_running_loop().sock_recv(self.far, 65536):
                pass

    @property
    def is_reused(self) -> bool:
        return self.pool.idle == [self.connection] and not self.pool.closed

    @property
    def is_closed(self) -> bool:
        return self.pool.closed == [self.connection] and not self.pool.idle


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    loop, pool = asyncio.get_running_loop(), Pool()
    near, far = socket.socketpair()
    far.settimeout(0)
    with far:
        _, connection = await loop.create_connection(
            lambda: Http11Connection(pool, loop), sock=near
        )
        yield Wire(connection, far, pool)
        connection.abort()
        await turns()


async def turns() -> None:
    """Let everything else have its turn, some times over."""
    for _ in range(5):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await turns()


async def a_while() -> None:
    """Longer than the read timeouts of these tests; there is nothing to wait for."""
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.06, later.set)
    await later.wait()


async def whole(answer: ResponseStream) -> bytes:
    await answer.head()
    return b"".join([piece async for piece in answer])


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


# Answers of every kind


@pytest.mark.parametrize(
    "said",
    [
        LENGTH + b"hello",
        CHUNKED + chunks(b"he", b"llo"),
        CHUNKED + b"5;name=value;more\r\nhello\r\n0\r\nx-sum: 17\r\nx-note: \r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH + b"hello",
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + LENGTH + b"hello",
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello",
        # as Apache offers it with every answer
        b"HTTP/1.1 200 OK\r\nupgrade: h2c\r\nconnection: Upgrade\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
async def test_a_whole_answer_is_heard_and_its_connection_used_again(said: bytes):
    async with wire() as line:
        for _ in range(2):
            answer = line.ask()
            line.hear(said)

            assert (answer.status, await whole(answer)) == (200, b"hello")
            assert line.is_reused
            line.pool.idle.clear()


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        LENGTH + b"hello" + b"HTTP/1.1 200 OK\r\n",
        LENGTH + b"hello" + b"H",
        LENGTH + b"hello" + LENGTH + b"again",
        LENGTH + b"hello" + b"junk",
        CHUNKED + chunks(b"hello") + b"junk",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhellojunk",
    ],
)
async def test_after_some_answers_a_connection_is_not_used_again(said: bytes):
    async with wire() as line:
        answer = line.ask()
        line.hear(said)

        assert (answer.status, await whole(answer)) == (200, b"hello")
        assert line.is_closed
        await line.is_left()


async def test_an_answer_may_last_until_its_connection_ends():
    async with wire() as line:
        answer = line.ask()
        line.hear(ENDLESS, b"hel", b"lo")
        line.far.shutdown(socket.SHUT_WR)

        assert await whole(answer) == b"hello"
        assert line.is_closed


async def test_such_an_answer_ends_though_upstream_never_reads_the_whole_request():
    async with wire() as line:
        answer = line.ask(b"?" * KIB * KIB * 8)
        line.far.sendall(ENDLESS + b"hello")
        line.far.shutdown(socket.SHUT_WR)

        assert await whole(answer) == b"hello"
        assert line.is_closed


async def test_such_an_answer_is_not_whole_if_its_connection_is_reset():
    async with wire() as line:
        answer = line.ask()
        line.hear(ENDLESS, b"hel")
        line.connection.connection_lost(ConnectionResetError())

        assert await anext(answer) == b"hel"
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(answer)


@pytest.mark.parametrize("head", [LENGTH + b"hell", CHUNKED + b"5\r\nhell"])
async def test_an_answer_that_breaks_off_is_heard_so_far(head: bytes):
    async with wire() as line:
        answer = line.ask()
        line.hear(head)
        line.far.shutdown(socket.SHUT_WR)

        await answer.head()
        assert await anext(answer) == b"hell"
        with pytest.raises(httpx.RemoteProtocolError, match="closed the connection"):
            await anext(answer)
        assert line.is_closed


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_an_answer_without_content_may_say_how_long_it_would_be(status: bytes):
    async with wire() as line:
        answer = line.ask()
        line.hear(b"HTTP/1.1 %b\r\ncontent-length: 5\r\n\r\n" % status)

        assert await whole(answer) == b""
        assert line.is_reused


@pytest.mark.parametrize("said", [LENGTH, CHUNKED, ENDLESS, LENGTH + b"hello"])
async def test_the_answer_to_head_has_no_body_whatever_it_says(said: bytes):
    async with wire() as line:
        answer = line.ask(has_body=False)
        line.hear(said)

        assert (answer.status, await whole(answer)) == (200, b"")
        assert line.is_closed


async def test_what_an_interim_answer_says_beside_its_head_is_nobodys_body():
    async with wire() as line:
        answer = line.ask()
        line.hear(b"HTTP/1.1 104 Soon\r\nx: y\r\ncontent-length: 4\r\n\r\nsoon", LENGTH, b"hello")

        assert await whole(answer) == b"hello"
        assert answer.headers == [(b"content-length", b"5")]


async def test_headers_keep_their_order_and_lose_the_white_space_around_them():
    async with wire() as line:
        answer = line.ask()
        line.hear(b"HTTP/1.1 200 OK\r\nX-B: 2 \t\r\nx-a:\r\nX-B:  1 1\r\nset-cookie: \xe9\r\n")
        line.hear(b"content-length: 0\r\n\r\n")
        await answer.head()

        assert answer.headers == [
            (b"X-B", b"2"),
            (b"x-a", b""),
            (b"X-B", b"1 1"),
            (b"set-cookie", b"\xe9"),
            (b"content-length", b"0"),
        ]


async def test_trailers_leave_no_trace_in_the_next_answer():
    async with wire() as line:
        first = line.ask()
        line.hear(CHUNKED, b"0\r\nx-trailer: 1", b"\r\n\r\n")
        second = line.ask()
        line.hear(LENGTH + b"hello")

        assert await whole(first) == b""
        assert (second.headers, await whole(second)) == ([(b"content-length", b"5")], b"hello")


def cut(said: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(said), *(place % len(said) for place in cuts)})
    return [said[start:end] for start, end in pairwise(places)]


MANY = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 207 Multi\r\nX-Note: a  b \r\nx-empty:\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nx-trailer: 1\r\n\r\n"
)


@given(cuts=st.lists(st.integers(0, 500)))
@example(cuts=list(range(500)))
async def test_an_answer_does_not_depend_on_how_its_bytes_arrive(cuts: list[int]):
    async with wire() as line:
        answer = line.ask()
        line.hear(*cut(MANY, cuts))

        assert (answer.status, await whole(answer)) == (207, b"hello!")
        assert answer.headers == [
            (b"X-Note", b"a  b"),
            (b"x-empty", b""),
            (b"Transfer-Encoding", b"chunked"),
        ]
        assert line.is_reused


# What is no answer


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\xff garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: y\r\n folded\r\n\r\n",  # RFC 9112, section 5.2: discard it
        b"HTTP/1.1 200 OK\r\nx: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello",
        b"HTTP/1.1 101 Switching\r\n\r\nhello",
    ],
)
async def test_what_is_no_http_is_no_answer(said: bytes):
    async with wire() as line:
        answer = line.ask()
        line.hear(said)

        with pytest.raises(httpx.RemoteProtocolError, match="does not speak HTTP"):
            await answer.head()
        assert line.is_closed


async def test_chunks_that_go_wrong_are_heard_until_then():
    async with wire() as line:
        answer = line.ask()
        line.hear(CHUNKED + b"5\r\nhello\r\nwrong\r\n")

        await answer.head()
        assert await anext(answer) == b"hello"
        with pytest.raises(httpx.RemoteProtocolError, match="does not speak HTTP"):
            await anext(answer)
        assert line.is_closed


async def test_what_is_said_on_an_idle_connection_closes_it():
    async with wire() as line:
        line.ask()
        line.hear(LENGTH + b"hello")
        line.far.sendall(LENGTH + b"again")
        await line.is_left()

        assert line.pool.closed == [line.connection]
        assert not line.connection.is_open


async def test_an_idle_connection_that_upstream_closes_is_not_open():
    async with wire() as line:
        line.far.shutdown(socket.SHUT_WR)
        await line.is_left()

        assert line.is_closed
        assert not line.connection.is_open


async def test_many_headers_and_a_long_one_are_heard():
    async with wire() as line:
        answer = line.ask()
        line.hear(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_000)
        line.hear(b"x-long: ", b"l" * 100 * KIB, b"\r\ncontent-length: 5\r\n\r\n", b"hello")

        assert await whole(answer) == b"hello"
        assert len(answer.headers) == 10_002


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nx-long: ", b"long"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 ", b"OK"),
        (CHUNKED + b"5\r\nhello\r\n0\r\nx-trailer: ", b"long"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", b"x-trailer: 1\r\n"),
        (CHUNKED + b"5\r\nhello\r\n5;extension=", b"long"),
    ],
)
async def test_whatever_is_no_body_ends_somewhere(start: bytes, more: bytes):
    async with wire() as line:
        answer = line.ask()
        line.hear(start)
        for _ in range(40):
            line.hear(more * (8 * KIB // len(more)))

        with pytest.raises(httpx.RemoteProtocolError, match="headers are too long"):
            await whole(answer)
        assert line.is_closed


async def test_a_long_answer_in_small_chunks_is_no_long_header():
    async with wire() as line:
        answer = line.ask()
        line.hear(CHUNKED)
        for _ in range(100):
            line.hear(b"1;" + b"x" * 8 * KIB + b"\r\n.\r\n")
        line.hear(chunks(b"!"))

        assert await whole(answer) == b"." * 100 + b"!"


# Readers, slow and gone


async def test_a_slow_reader_makes_upstream_wait():
    async with wire() as line:
        transport = line.connection._transport
        assert transport is not None
        answer = line.ask()
        line.hear(ENDLESS)
        line.hear(*[b"x" * 64 * KIB] * 5)
        waits = not transport.is_reading()
        read = await anext(answer)

        assert waits
        assert transport.is_reading()
        assert len(read) == 5 * 64 * KIB


async def test_what_a_slow_reader_has_not_read_outlasts_the_connection():
    async with wire() as line:
        size = KIB * KIB
        answer = line.ask()
        loop = asyncio.get_running_loop()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size
        saying = asyncio.ensure_future(loop.sock_sendall(line.far, head + b"x" * size))
        await answer.head()
        await until(lambda: line.connection._reads_paused)

        assert await whole(answer) == b"x" * size
        assert line.is_reused
        await saying


async def test_an_answer_that_is_not_read_to_its_end_takes_its_connection_with_it():
    async with wire() as line:
        answer = line.ask()
        line.hear(LENGTH + b"he")
        await answer.aclose()
        await answer.aclose()

        with pytest.raises(httpx.RemoteProtocolError):
            await whole(answer) + await whole(answer)
        assert line.is_closed
        await line.is_left()


async def test_to_close_a_whole_answer_unread_leaves_the_connection_to_the_next():
    async with wire() as line:
        first = line.ask()
        line.hear(LENGTH + b"hello")
        second = line.ask()
        await first.aclose()
        read = await whole(first)
        line.hear(LENGTH + b"again")

        assert (read, await whole(second)) == (b"hello", b"again")


async def test_who_waits_is_told_when_the_connection_is_closed():
    async with wire() as line:
        answer = line.ask()
        waiting = asyncio.ensure_future(answer.head())
        await turns()
        line.connection.abort()

        with pytest.raises(httpx.RemoteProtocolError, match="was closed"):
            await waiting


async def test_who_no_longer_waits_is_no_longer_told():
    async with wire() as line:
        answer = line.ask()
        waiting = asyncio.ensure_future(answer.head())
        await turns()
        waiting.cancel()
        line.hear(LENGTH + b"hello")
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert await whole(answer) == b"hello"


# Uploads


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def never() -> AsyncIterator[bytes]:
    yield b"?"
    await asyncio.Event().wait()


async def test_a_body_goes_up_after_its_head():
    async with wire() as line:
        answer = line.ask(b"head ")
        line.connection.send(pieces(b"one ", b"two"))

        assert await line.said(12) == b"head one two"
        await turns()
        line.hear(LENGTH + b"hello")
        assert await whole(answer) == b"hello"
        assert line.is_reused


@pytest.mark.parametrize("body", [never, lambda: pieces(b"?" * KIB * KIB * 30)])
async def test_an_early_answer_is_heard_though_its_connection_is_of_no_more_use(
    body: Callable[[], AsyncIterator[bytes]],
):
    async with wire() as line:
        answer = line.ask(b"")
        line.connection.send(body())
        await line.said(1)
        line.hear(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")

        assert (answer.status, await whole(answer)) == (413, b"no")
        assert line.is_closed
        await line.is_left()
        assert line.connection._writing is not None
        assert line.connection._writing.done()


@pytest.mark.parametrize("is_in_pieces", [False, True])
async def test_a_connection_is_not_reused_whose_long_request_was_answered_before_it_arrived(
    is_in_pieces: bool,
):
    """The upstream may never read the rest, nor another request behind it."""
    request = b"?" * 100 * KIB  # all of it fits into the system's buffer
    async with wire() as line:
        answer = line.ask(b"" if is_in_pieces else request)
        if is_in_pieces:
            line.connection.send(pieces(request))
            await turns()
        line.hear(LENGTH + b"hello")

        assert await whole(answer) == b"hello"
        assert line.is_closed


async def test_a_connection_is_reused_once_a_long_request_has_arrived():
    request = b"?" * 100 * KIB
    async with wire() as line:
        answer = line.ask(request)
        assert await line.said(len(request)) == request
        line.hear(LENGTH + b"hello")

        assert await whole(answer) == b"hello"
        assert line.is_reused


async def test_an_upstream_that_reads_slowly_makes_the_body_wait():
    offered = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal offered
        for _ in range(120):
            offered += 256 * KIB
            yield b"x" * 256 * KIB

    async with wire() as line:
        answer = line.ask(b"")
        line.connection.send(body())
        await until(lambda: line.connection._may_write is not None)
        await turns()
        offered_before = offered

        assert offered_before <= 8 * 256 * KIB
        assert await line.said(30 * KIB * KIB) == b"x" * 30 * KIB * KIB
        await turns()
        line.hear(LENGTH + b"hello")
        assert await whole(answer) == b"hello"
        assert line.is_reused


async def test_a_body_that_fails_is_told_to_who_asked():
    async def body() -> AsyncIterator[bytes]:
        yield b"?"
        raise ZeroDivisionError

    async with wire() as line:
        answer = line.ask()
        line.connection.send(body())

        with pytest.raises(ZeroDivisionError):
            await answer.head()
        assert line.is_closed
        await line.is_left()


async def test_a_body_that_fails_as_its_answer_ends_is_not_the_next_ones_problem():
    """Its end is known a moment before it is told; the connection is not used again in between."""
    async with wire() as line:

        async def body() -> AsyncIterator[bytes]:
            yield b"?"
            asyncio.get_running_loop().call_soon(line.hear, LENGTH + b"hello")
            raise ZeroDivisionError

        answer = line.ask()
        line.connection.send(body())

        assert await whole(answer) == b"hello"
        await turns()
        assert line.is_closed


async def test_a_body_that_fails_on_a_closed_connection_is_nobodys_problem():
    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"?"
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ZeroDivisionError from None

    async with wire() as line:
        line.ask(b"")
        line.connection.send(body())
        await line.said(1)
        await turns()
        line.connection.abort()
        await turns()

        assert line.is_closed


async def test_a_connection_that_is_closed_in_mid_upload_ends_the_upload():
    async with wire() as line:
        answer = line.ask()
        line.connection.send(pieces(*[b"x" * 256 * KIB] * 120))
        await turns()
        line.far.close()

        with pytest.raises(httpx.ReadError):
            await answer.head()
        await turns()
        assert line.connection._writing is not None
        assert line.connection._writing.cancelled()
        line.connection.resume_writing()


# The clock


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", ENDLESS, LENGTH + b"hell"])
async def test_an_upstream_that_falls_silent_is_given_up(said: bytes):
    async with wire() as line:
        answer = line.ask(read_timeout=0.02)
        line.hear(said)

        with pytest.raises(httpx.ReadTimeout):
            await whole(answer)
        assert line.is_closed
        await line.is_left()


async def test_interim_answers_are_no_answer_however_many_come():
    """Each would begin the upstream's time anew."""
    async with wire() as line:
        answer = line.ask(read_timeout=0.05)
        waiting = asyncio.ensure_future(whole(answer))
        while not waiting.done():
            line.hear(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.wait({waiting}, timeout=0.01)

        with pytest.raises(httpx.ReadTimeout):
            await waiting
        assert line.is_closed


async def test_an_answer_that_came_while_this_process_was_busy_has_come_in_time():
    async with wire() as line:
        answer = line.ask(read_timeout=0.02)
        waiting = asyncio.ensure_future(whole(answer))
        await turns()
        line.far.sendall(LENGTH + b"hello")
        end = time.perf_counter() + 0.2
        while time.perf_counter() < end:
            pass

        assert await waiting == b"hello"


async def test_nothing_is_late_while_nobody_waits_for_it():
    async with wire() as line:
        answer = line.ask(read_timeout=0.02)
        line.hear(LENGTH)
        await a_while()
        line.hear(b"hello")

        assert await whole(answer) == b"hello"
        await a_while()
        assert line.is_reused
        assert line.connection._timer is None


async def test_upstream_is_not_late_while_the_client_still_speaks():
    async def body() -> AsyncIterator[bytes]:
        yield b"?"
        await a_while()
        yield b"!"
        await a_while()

    async with wire() as line:
        answer = line.ask(b"", read_timeout=0.02)
        line.connection.send(body())
        waiting = asyncio.ensure_future(answer.head())

        assert await line.said(2) == b"?!"
        with pytest.raises(httpx.ReadTimeout):
            await waiting


async def test_an_upstream_that_does_not_read_is_given_up():
    async with wire() as line:
        answer = line.ask(read_timeout=0.02)
        line.connection.send(pieces(*[b"x" * 256 * KIB] * 120))

        with pytest.raises(httpx.ReadTimeout):
            await answer.head()
        assert line.is_closed


# The end of a body of which nobody reads more


@pytest.mark.parametrize("late", [[b"0\r\n\r\n"], [b"1\r\n!\r\n", b"0\r\nx-sum: 1\r\n\r\n"]])
async def test_a_connection_is_kept_if_the_end_of_a_finished_answer_comes_late(late: list[bytes]):
    async with wire() as line:
        answer = line.ask()
        line.hear(CHUNKED + b"5\r\nhello\r\n")
        assert await anext(answer) == b"hello"
        answer.finish()
        await answer.aclose()
        assert not line.is_closed
        line.hear(*late)
        assert line.is_reused

        line.pool.idle.clear()
        again = line.ask(read_timeout=0.02)
        line.hear(LENGTH + b"again")
        assert await whole(again) == b"again"
        assert line.is_reused


async def test_nor_does_it_wait_for_that_end_for_ever():
    async with wire() as line:
        answer = line.ask()
        line.hear(CHUNKED + b"5\r\nhello\r\n")
        answer.finish()
        await line.is_left()
        assert line.is_closed


@pytest.mark.parametrize("said", [ENDLESS + b"hello", CHUNKED + b"fffff\r\n" + b"x" * 300 * KIB])
async def test_a_connection_that_cannot_be_kept_or_has_much_more_to_say_is_closed_at_once(
    said: bytes,
):
    async with wire() as line:
        answer = line.ask()
        line.hear(said)
        answer.finish()
        assert line.is_closed


ORDERS = [
    order
    for order in permutations(("end of the body", "loss", "read", "finish", "close"))
    if order.index("read") < order.index("finish") < order.index("close")
    and order.index("end of the body") < order.index("loss")
]


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b""], ids=["whole", "no end"])
@pytest.mark.parametrize("reason", [None, ConnectionResetError()], ids=["closed", "reset"])
async def test_in_whatever_order_upstream_and_reader_leave_the_reader_has_all_of_it(
    reason: Exception | None, end: bytes
):
    """Found by a soak: the connection was lost before its answer was read to the last event."""
    for order in ORDERS:
        async with wire() as line:
            answer = line.ask()
            line.hear(CHUNKED + b"5\r\nhello\r\n")
            for step in order:
                match step:
                    case "end of the body":
                        line.hear(end)
                    case "loss":
                        line.connection.connection_lost(reason)
                    case "read":
                        assert await anext(answer) == b"hello", order
                    case "finish":
                        answer.finish()
                    case _:
                        await answer.aclose()
            assert line.pool.closed == [line.connection], order


# Nothing stays behind


@pytest.mark.parametrize(
    "said", [LENGTH + b"hello", b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello"]
)
async def test_an_exchange_leaves_nothing_to_the_collector(said: bytes):
    async def exchange(line: Wire) -> bytes:
        answer = line.ask(b"")
        line.connection.send(pieces(b"?" * 64))
        await line.said(64)
        await turns()
        line.far.sendall(said)
        if b"close" in said:
            line.far.shutdown(socket.SHUT_WR)
        return await whole(answer)

    with uncollected() as left:
        async with wire() as line:
            read = await exchange(line)
            pool = line.pool
        pool.idle.clear()
        pool.closed.clear()
        del line
        await turns()

    assert read == b"hello"
    assert left == []
