"""
How the bytes of a reply leave: in what pieces, after what pauses, up to where.

`plan_delivery` decides it all; `deliver` carries it out and watches for the
client to go away, at every moment, also during a pause.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive, Send

from proxy.simulator.journal import Outcome, Received
from proxy.simulator.misbehaviour import Misbehaviour
from proxy.simulator.replies import Reply, Streamed, Whole

_GZIP_WINDOW: Final = 31
_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Write:
    data: bytes
    events: int = 0  # how many are complete when this is written


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    status: int
    headers: list[tuple[str, str]]
    before_headers: float
    steps: tuple[Write | Pause, ...]
    breaks_off: bool


def plan_delivery(reply: Reply, asked: Misbehaviour, headers: list[tuple[str, str]]) -> Delivery:
    if asked.gzip:
        headers = [*headers, ("content-encoding", "gzip")]
    before_headers = asked.delay_headers / _MILLISECONDS
    if isinstance(reply, Whole):
        return _plan_whole(reply, asked, headers, before_headers)
    return Delivery(
        status=asked.status or 200,
        headers=headers,
        before_headers=before_headers,
        steps=tuple(_stream_steps(reply, asked)),
        breaks_off=reply.breaks_off or asked.hang_after_events is not None,
    )


def _plan_whole(
    reply: Whole, asked: Misbehaviour, headers: list[tuple[str, str]], before_headers: float
) -> Delivery:
    body = reply.body[: asked.truncate_body]
    if asked.gzip:
        body = zlib.compress(body, wbits=_GZIP_WINDOW)
    sent = body[: asked.break_after_bytes]
    return Delivery(
        status=reply.status,
        headers=[*headers, ("content-length", str(len(body)))],
        before_headers=before_headers,
        steps=tuple(Write(piece) for piece in _pieces(sent, asked.write)),
        breaks_off=asked.break_after_bytes is not None,
    )


def _stream_steps(reply: Streamed, asked: Misbehaviour) -> Iterator[Write | Pause]:
    yield from _pause(asked.delay_first_event)
    chunks = list(_encoded(reply, gzip=asked.gzip))[: asked.hang_after_events]
    if asked.one_write:
        yield Write(b"".join(chunks), min(len(chunks), len(reply.frames)))
    else:
        yield from _write_each(chunks, reply, asked)
    if asked.hang_after_events is not None:
        yield from _pause(asked.hang_for)


def _write_each(
    chunks: list[bytes], reply: Streamed, asked: Misbehaviour
) -> Iterator[Write | Pause]:
    for index, chunk in enumerate(chunks):
        if index:
            yield from _pause(asked.delay_events)
        *first, last = _pieces(chunk, asked.write)
        yield from (Write(piece) for piece in first)
        yield Write(last, events=1 if index < len(reply.frames) else 0)


def _encoded(reply: Streamed, *, gzip: bool) -> Iterator[bytes]:
    chunks = (frame.encode(reply.newline) for frame in reply.frames)
    if not gzip:
        yield from chunks
        return
    compressor = zlib.compressobj(wbits=_GZIP_WINDOW)
    for chunk in chunks:
        yield compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()


def _pieces(data: bytes, size: int | None) -> list[bytes]:
    if size is None or not data:
        return [data]
    return [data[start : start + size] for start in range(0, len(data), size)]


def _pause(milliseconds: int) -> Iterator[Pause]:
    if milliseconds:
        yield Pause(milliseconds / _MILLISECONDS)


async def deliver(delivery: Delivery, received: Received, receive: Receive, send: Send) -> None:
    """Returns once all is sent, or as soon as the client is gone."""
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_send(delivery, received, send))
        watching = tasks.create_task(_client_gone(receive))
        sending.add_done_callback(lambda _: watching.cancel())
        watching.add_done_callback(lambda _: sending.cancel())
    if sending.cancelled():
        received.outcome = Outcome.CLIENT_DISCONNECTED


async def _send(delivery: Delivery, received: Received, send: Send) -> None:
    await asyncio.sleep(delivery.before_headers)
    received.status = delivery.status
    headers = [(name.encode(), value.encode("latin-1")) for name, value in delivery.headers]
    await send({"type": "http.response.start", "status": delivery.status, "headers": headers})
    for step in delivery.steps:
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Write(data, events):
                await send({"type": "http.response.body", "body": data, "more_body": True})
                received.events_sent += events
    if delivery.breaks_off:
        # Returning without a last body message makes the server close the connection.
        received.outcome = Outcome.BROKEN_OFF
        return
    received.outcome = Outcome.FINISHED
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
