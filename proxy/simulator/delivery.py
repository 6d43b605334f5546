"""
Delivery of a reply: the size of writes, the pauses between them, broken connections.

`plan_delivery` decides and is pure; `deliver` sends. It watches the connection
at the same time, so that it notices a disconnect even during a pause.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive, Send

from proxy.simulator.fault_headers import Misbehaviour
from proxy.simulator.replies import Reply, Streamed, Whole
from proxy.simulator.request_log import Outcome, Received

_GZIP_WINDOW: Final = 31
_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Write:
    data: bytes
    events: int = 0  # number of events that this write completes


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
    if isinstance(reply, Whole):
        body = _whole_body(reply, asked)
        headers = [*headers, ("content-length", str(len(body)))]
        steps: Iterable[Write | Pause] = _cut([Write(body)], asked)
        status, breaks_off = reply.status, False
    else:
        steps = _stream_steps(reply, asked)
        status = asked.status or 200
        breaks_off = reply.breaks_off or asked.hang_after_events is not None
    return Delivery(
        status=status,
        headers=headers,
        before_headers=asked.delay_headers / _MILLISECONDS,
        steps=tuple(steps),
        breaks_off=breaks_off or asked.break_after_bytes is not None,
    )


def _whole_body(reply: Whole, asked: Misbehaviour) -> bytes:
    body = reply.body[: asked.truncate_body]
    return zlib.compress(body, wbits=_GZIP_WINDOW) if asked.gzip else body


def _stream_steps(reply: Streamed, asked: Misbehaviour) -> Iterator[Write | Pause]:
    yield from _pause(asked.delay_first_event)
    writes = list(_encoded(reply, gzip=asked.gzip))[: asked.hang_after_events]
    if asked.one_write:
        writes = [Write(b"".join(write.data for write in writes), sum(w.events for w in writes))]
    for index, write in enumerate(_cut(writes, asked)):
        yield from _pause(asked.delay_events if index else 0)
        yield write
    if asked.hang_after_events is not None:
        yield from _pause(asked.hang_for)


def _encoded(reply: Streamed, *, gzip: bool) -> Iterator[Write]:
    chunks = (frame.encode(reply.newline) for frame in reply.frames)
    if not gzip:
        yield from (Write(chunk, events=1) for chunk in chunks)
        return
    compressor = zlib.compressobj(wbits=_GZIP_WINDOW)
    for chunk in chunks:
        yield Write(compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH), events=1)
    yield Write(compressor.flush())


def _cut(writes: list[Write], asked: Misbehaviour) -> Iterator[Write]:
    """Split writes into pieces of the requested size, and stop at the requested length."""
    room = asked.break_after_bytes
    for write in writes:
        data = write.data[:room]
        size = asked.write or max(1, len(data))
        for start in range(0, len(data), size):
            is_last = start + size >= len(write.data)
            yield Write(data[start : start + size], events=write.events if is_last else 0)
        room = None if room is None else room - len(data)


def _pause(milliseconds: int) -> Iterator[Pause]:
    if milliseconds:
        yield Pause(milliseconds / _MILLISECONDS)


async def deliver(delivery: Delivery, received: Received, receive: Receive, send: Send) -> None:
    """Send the reply; return when all is sent, or at once if the client disconnects."""
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
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        else:
            await send({"type": "http.response.body", "body": step.data, "more_body": True})
            received.events_sent += step.events
    if delivery.breaks_off:
        # Returning without a last body message makes the server close the connection.
        received.outcome = Outcome.BROKEN_OFF
        return
    # Set before the last bytes, so that a client that has read them finds it in the log.
    received.outcome = Outcome.FINISHED
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
