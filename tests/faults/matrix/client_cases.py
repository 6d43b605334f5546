"""What a client can do to an exchange; its upstream has no fault unless the case says so."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from tests.faults.matrix.acts import floods, hang, says
from tests.faults.matrix.answers import DELTAS, END, SSE, START, chunk, delta, good, head
from tests.faults.matrix.case import (
    COMPLETE,
    GONE,
    Caller,
    Case,
    Expected,
    Play,
    complete,
    failed,
    plainly,
    variants,
)
from tests.hypothesis_profiles import scaled
from tests.scripted_server import Act

BODY_SECONDS, WRITE_SECONDS, MAX_BODY_BYTES = 3, 1, 2_000_000
"""What the server of these cases is set to."""
SETTINGS = (
    f"body_timeout = {BODY_SECONDS}\nwrite_timeout = {WRITE_SECONDS}\n"
    f"max_body_bytes = {MAX_BODY_BYTES}"
)
_UNRECORDED = partial(failed, is_recorded=False)
_Leave = Callable[[Caller], None]


def cases() -> list[Case]:
    """All of them; those that take long first."""
    return [*_slow(), *_gone(), *_half_closed(), *_pipelined(), *_lying(), *beside_thousands()]


def _asked(
    name: str,
    play: Play,
    *expected: Expected,
    act: Act | None = None,
    forms: Iterable[bool] = (False, True),
    **more: Any,
) -> Iterator[Case]:
    """Play this with an upstream that acts so, or has no fault."""
    for form in forms:
        does = act or says(good(is_stream=form))
        yield from variants(
            name, does, *expected, forms=[form], play=play, keeps=act is None, **more
        )


def _closes(caller: Caller) -> None:
    caller.peer.writer.close()


def _resets(caller: Caller) -> None:
    caller.peer.crash()


_LEAVES: dict[str, _Leave] = {"closed": _closes, "reset": _resets}


def _gone() -> Iterator[Case]:
    """In four windows: before its body, before the answer, in the answer and after it."""
    for how, leave in _LEAVES.items():
        for share in (0, 0.5):
            part = "" if not share else " half of"
            name = f"gone before{part} its body, {how}"
            yield from _asked(name, _goes_before_its_body(leave, share), GONE, act=hang)
        yield from _asked(f"gone before the answer, {how}", _goes_when_asked(leave), GONE, act=hang)
        for name, more in {"silent": hang, "endless": floods(delta("more "))}.items():
            act = says(head(SSE), *START, *DELTAS, then=more)
            yield from _asked(
                f"gone in the stream, which is {name}, {how}",
                _goes_at_first_word(leave),
                GONE,
                act=act,
                forms=(True,),
            )
        yield from _asked(f"gone after the answer, {how}", _goes_at_the_end(leave), COMPLETE)


def _goes_before_its_body(leave: _Leave, share: float) -> Play:
    async def play(caller: Caller) -> bytes:
        head, _, content = caller.request.partition(b"\r\n\r\n")
        await caller.peer.say(head, b"\r\n\r\n", content[: int(len(content) * share)])
        leave(caller)
        return b""

    return play


def _goes_when_asked(leave: _Leave) -> Play:
    async def play(caller: Caller) -> bytes:
        await caller.ask()
        await caller.is_asked.wait()
        leave(caller)
        return b""

    return play


def _asks_twice_and_goes(leave: _Leave) -> Play:
    async def play(caller: Caller) -> bytes:
        await caller.ask()
        await caller.is_asked.wait()
        await caller.ask()
        leave(caller)
        return b""

    return play


def _goes_at_first_word(leave: _Leave) -> Play:
    async def play(caller: Caller) -> bytes:
        await caller.ask()
        await caller.peer.reader.readuntil(b'"completion":"')
        leave(caller)
        return b""

    return play


def _goes_at_the_end(leave: _Leave) -> Play:
    async def play(caller: Caller) -> bytes:
        await caller.ask()
        heard = await caller.answer()
        leave(caller)
        return heard

    return play


def _slow() -> Iterator[Case]:
    too_slow = _UNRECORDED(408, "timeout_error")
    yield from _asked("a head without an end", _says_part_of_head, too_slow)
    yield from _asked("a head byte by byte", _dribbles, COMPLETE)
    stalled = failed(408, "timeout_error")
    yield from _asked("a body without an end", _says_part_of_body, stalled)
    endless = says(head(SSE), *START, *DELTAS, then=floods(delta("more " * 100)))
    yield from _asked("reads nothing", _reads_nothing, GONE, act=endless, forms=(True,))
    words = 600
    long = says(head(SSE), *START, *[delta("0123456789 ")] * words, *END)
    yield from _asked(
        "reads slowly", _reads_slowly, complete("0123456789 " * words), act=long, forms=(True,)
    )


async def _says_part_of_head(caller: Caller) -> bytes:
    await caller.peer.say(caller.request[:40])
    return await caller.answer()


async def _dribbles(caller: Caller) -> bytes:
    for at in range(len(caller.request)):
        await caller.peer.say(caller.request[at : at + 1])
        await asyncio.sleep(0)
    return await caller.answer()


async def _says_part_of_body(caller: Caller) -> bytes:
    await caller.peer.say(caller.request[:-10])
    return await caller.answer()


async def _reads_nothing(caller: Caller) -> bytes:
    await caller.ask()
    await caller.is_let_go.wait()
    return b""


async def _reads_slowly(caller: Caller) -> bytes:
    await caller.ask()
    heard = b""
    while piece := await caller.peer.reader.read(16_384):
        heard += piece
        await asyncio.sleep(0.001)
    return heard


def _half_closed() -> Iterator[Case]:
    yield from _asked("half-closed behind its request", _half_closes, COMPLETE)


async def _half_closes(caller: Caller) -> bytes:
    await caller.ask()
    caller.peer.writer.write_eof()
    return await caller.answer()


def _pipelined() -> Iterator[Case]:
    # A server that holds 256 KiB reads no more, and does not see what comes behind them.
    for count, padding in ((2, 0), (3, 0), (20, 0), (2, 250_000), (3, 100_000), (3, 250_000)):
        prompt = f"\n\nHuman: {'a' * padding}b\n\nAssistant:"

        def several(case: Case, id_: int, count: int = count, prompt: str = prompt) -> bytes:
            before = case.asking(id_, "connection: keep-alive", prompt=prompt)
            return before * (count - 1) + case.asking(id_, prompt=prompt)

        name = f"{count} requests in a row of more than {padding} bytes"
        yield from _asked(name, plainly, *[COMPLETE] * count, request=several)
        for how, leave in _LEAVES.items():
            yield from _asked(
                f"{name}, gone before the first answer, {how}",
                _goes_when_asked(leave),
                GONE,
                act=hang,
                request=several,
            )

    for how, leave in _LEAVES.items():
        yield from _asked(
            f"another request while the first one waits, gone before the answer, {how}",
            _asks_twice_and_goes(leave),
            GONE,
            act=hang,
            request=lambda case, id_: case.asking(id_, "connection: keep-alive"),
        )

    def with_garbage(case: Case, id_: int) -> bytes:
        return case.asking(id_, "connection: keep-alive") + b"garbage\r\n\r\n"

    bad = _UNRECORDED(400, "invalid_request_error")
    yield from _asked("garbage behind a request", plainly, COMPLETE, bad, request=with_garbage)


def _lying() -> Iterator[Case]:
    refused = _UNRECORDED(400, "invalid_request_error")

    def framed(*lines: str, content: bytes | None = None) -> Callable[[Case, int], bytes]:
        def request(case: Case, id_: int) -> bytes:
            said = case.content() if content is None else content
            return case.head(id_, *lines) + b"\r\n" + said

        return request

    for name, lines in {
        "a negative length": ["content-length: -1"],
        "a length that is no number": ["content-length: 1x"],
        "two lengths": ["content-length: 10", "content-length: 11"],
        "a length and chunks": ["content-length: 10", "transfer-encoding: chunked"],
    }.items():
        yield from _asked(name, plainly, refused, request=framed(*lines))
    chunked = "transfer-encoding: chunked"
    for name, content in {
        "a chunk without a size": b"x\r\n",
        "a chunk too short": b"5\r\n{}\r\n0\r\n\r\n",
        "a chunk too long": b"1\r\n{}\r\n0\r\n\r\n",
    }.items():
        yield from _asked(name, plainly, failed(400), request=framed(chunked, content=content))
    yield from _asked(
        "a coding that is unknown",
        plainly,
        failed(400, "invalid_request_error"),
        request=framed("transfer-encoding: gzip"),
    )
    yield from _asked(
        "a length beyond the limit",
        plainly,
        failed(413, "request_too_large"),
        request=framed("content-length: 90000000", "connection: close"),
    )
    yield from _asked(
        "chunks beyond the limit",
        plainly,
        failed(413, "request_too_large"),
        request=framed(chunked, content=chunk(b"a" * MAX_BODY_BYTES + b"a")),
    )
    yield from _asked(
        "a length too long", plainly, failed(408), request=framed("content-length: 500")
    )
    yield from _asked(
        "a length too short",
        plainly,
        failed(400, "invalid_request_error"),
        request=framed("content-length: 20", "connection: close"),
    )


def beside_thousands() -> Iterator[Case]:
    """Who asks beside thousands of connections that say nothing, which leave a heap behind."""
    yield from _asked("asks beside thousands that say nothing", _asks_among_many, COMPLETE)


async def _asks_among_many(caller: Caller) -> bytes:
    host, port = caller.peer.writer.get_extra_info("peername")
    count = min(scaled(3_000), resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8)
    idle: list[asyncio.StreamWriter] = []
    try:
        for _ in range(count):
            _, writer = await asyncio.open_connection(host, port)
            idle.append(writer)
        return await plainly(caller)
    finally:
        for writer in idle:
            writer.transport.abort()
