"""The load and its upstream, with each other and with upstreams that do not keep their word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.benchmarks.canned import DELTAS, WHOLE, burst
from tests.benchmarks.client import WrongAnswer, check_stream, check_whole, connected
from tests.benchmarks.questions import PASSED_THROUGH, TRANSLATED, paced_prompt, small_prompt
from tests.benchmarks.streams import Listener, run
from tests.benchmarks.upstream import Conversation, chunk, finish_all

END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
EVENT = b'data: {"delta":{"text":" %020d"}}\n\n'


@asynccontextmanager
async def upstream() -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    async with await loop.create_server(Conversation, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[int]:
    """A server that says this, whatever it is asked, and closes."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def request_for(text: str) -> bytes:
    return PASSED_THROUGH.ask("stream", text).encode()


async def answer_of(port: int, request: bytes) -> bytes:
    async with connected(port) as connection:
        return await connection.ask(request)


async def said(answer: bytes) -> bytes:
    async with saying(answer) as port:
        return await answer_of(port, request_for(small_prompt()))


def test_a_paced_stream_has_the_events_that_were_asked_for_and_ends():
    listener = Listener([])

    async def follow() -> None:
        async with upstream() as port, connected(port, listener.hear) as connection:
            await connection.ask(request_for(paced_prompt(20, 1000)))

    run(follow())

    listener.check(20, PASSED_THROUGH.end)
    assert len(listener.delays) == 20
    assert min(listener.delays) >= 0


def test_an_open_stream_can_be_ended_properly():
    listener = Listener([])

    async def follow() -> None:
        async with upstream() as port, connected(port, listener.hear) as connection:
            answer = asyncio.ensure_future(connection.ask(request_for(paced_prompt(9, 0.001))))
            await connection.begun.wait()
            finish_all()
            await answer

    run(follow())

    listener.check(listener.events, PASSED_THROUGH.end)


def test_one_connection_serves_one_request_after_the_other():
    async def ask_twice() -> tuple[bytes, bytes]:
        request = PASSED_THROUGH.ask("whole", small_prompt()).encode()
        async with upstream() as port, connected(port) as connection:
            return await connection.ask(request), await connection.ask(request)

    assert run(ask_twice()) == (WHOLE, WHOLE)


def test_events_are_heard_however_they_are_cut():
    text = b"".join(EVENT % stamp for stamp in (1, 2, 3)) + END
    listener = Listener([])

    for place in range(len(text)):
        listener.hear(text[place : place + 1])

    listener.check(3, PASSED_THROUGH.end)


@pytest.mark.parametrize("events", [2, 4])
def test_events_that_are_missing_or_too_many_are_told(events):
    listener = Listener([])
    listener.hear(b"".join(EVENT % stamp for stamp in range(events)) + END)

    with pytest.raises(WrongAnswer, match=f"{events} of 3 events"):
        listener.check(3, PASSED_THROUGH.end)


def test_a_paced_stream_without_its_end_is_told():
    listener = Listener([])
    listener.hear(EVENT % 1)

    with pytest.raises(WrongAnswer, match="1 of 1 events"):
        listener.check(1, PASSED_THROUGH.end)


def test_the_canned_burst_is_right():
    check_stream(burst(), PASSED_THROUGH, DELTAS)


def test_a_burst_that_lacks_a_frame_is_told():
    with pytest.raises(WrongAnswer, match="199 frames of 200, 1 ends"):
        check_stream(burst(DELTAS - 1), PASSED_THROUGH, DELTAS)


def test_a_burst_that_lacks_its_end_is_told():
    with pytest.raises(WrongAnswer, match="200 frames of 200, 0 ends"):
        check_stream(burst().partition(b"event: message_stop")[0], PASSED_THROUGH, DELTAS)


def test_what_was_not_translated_is_not_right():
    with pytest.raises(WrongAnswer, match="is not in"):
        check_whole(WHOLE, TRANSLATED)


def test_an_error_is_told_with_its_words():
    with pytest.raises(WrongAnswer, match="status 500: b'sorry'"):
        run(said(b"HTTP/1.1 500 Oh\r\ncontent-length: 5\r\n\r\nsorry"))


def test_an_answer_that_breaks_off_is_told():
    with pytest.raises(WrongAnswer, match="broke off"):
        run(said(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(b"half")))


def test_what_is_no_http_is_told():
    with pytest.raises(WrongAnswer, match="no HTTP"):
        run(said(b"nonsense"))


def test_the_first_that_goes_wrong_among_many_is_told():
    async def ask_many() -> None:
        busy = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
        async with saying(busy) as port, asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(answer_of(port, request_for(small_prompt())))

    with pytest.raises(WrongAnswer, match="status 503"):
        run(ask_many())
