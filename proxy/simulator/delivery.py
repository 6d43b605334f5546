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

from proxy.simulator.faults.fault_headers import SimulateOptions
from proxy.simulator.replies import Reply, StreamedReply, WholeReply
from proxy.simulator.request_log import LoggedRequest, Outcome

_GZIP_WINDOW: Final = 31
_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes that are sent at once."""

    data: bytes
    events: int = 0  # number of events that this write completes


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The plan of a delivery; if it breaks off, the connection ends before the last chunk."""

    status: int
    headers: list[tuple[str, str]]
    header_delay_seconds: float
    steps: tuple[Write | Pause, ...]
    breaks_off: bool


def plan_delivery(
    reply: Reply, options: SimulateOptions, headers: list[tuple[str, str]]
) -> Delivery:
    if options.gzip:
        headers = [*headers, ("content-encoding", "gzip")]
    if isinstance(reply, WholeReply):
        body = reply.body[: options.truncate_body]
        if options.gzip:
            body = zlib.compress(body, wbits=_GZIP_WINDOW)
        headers = [*headers, ("content-length", str(len(body)))]
        steps: Iterable[Write | Pause] = _split_writes([Write(body)], options)
        status, breaks_off = reply.status, False
    else:
        steps = _plan_stream(reply, options)
        status = options.status or 200
        breaks_off = reply.breaks_off or options.hang_after_events is not None
    return Delivery(
        status=status,
        headers=headers,
        header_delay_seconds=options.delay_headers / _MILLISECONDS,
        steps=tuple(steps),
        breaks_off=breaks_off or options.break_after_bytes is not None,
    )


def _plan_stream(reply: StreamedReply, options: SimulateOptions) -> Iterator[Write | Pause]:
    yield from _pause(options.delay_first_event)
    writes = list(_encode_frames(reply, gzip=options.gzip))[: options.hang_after_events]
    if options.one_write:
        writes = [Write(b"".join(write.data for write in writes), sum(w.events for w in writes))]
    for index, write in enumerate(_split_writes(writes, options)):
        yield from _pause(options.delay_events if index else 0)
        yield write
    if options.hang_after_events is not None:
        yield from _pause(options.hang_for)


def _encode_frames(reply: StreamedReply, *, gzip: bool) -> Iterator[Write]:
    chunks = (frame.encode(reply.newline) for frame in reply.frames)
    if not gzip:
        yield from (Write(chunk, events=1) for chunk in chunks)
        return
    compressor = zlib.compressobj(wbits=_GZIP_WINDOW)
    for chunk in chunks:
        yield Write(compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH), events=1)
    yield Write(compressor.flush())


def _split_writes(writes: list[Write], options: SimulateOptions) -> Iterator[Write]:
    """Split writes into pieces of the requested size, and stop at the requested length."""
    room = options.break_after_bytes
    for write in writes:
        data = write.data[:room]
        size = options.write or max(1, len(data))
        for start in range(0, len(data), size):
            is_last = start + size >= len(write.data)
            yield Write(data[start : start + size], events=write.events if is_last else 0)
        room = None if room is None else room - len(data)


def _pause(milliseconds: int) -> Iterator[Pause]:
    if milliseconds:
        yield Pause(milliseconds / _MILLISECONDS)


async def deliver(delivery: Delivery, logged: LoggedRequest, receive: Receive, send: Send) -> None:
    """Send the reply; return when all is sent, or at once if the client disconnects."""
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_send(delivery, logged, send))
        watching = tasks.create_task(_wait_for_disconnect(receive))
        sending.add_done_callback(lambda _: watching.cancel())
        watching.add_done_callback(lambda _: sending.cancel())
    if sending.cancelled():
        logged.outcome = Outcome.CLIENT_DISCONNECTED


async def _send(delivery: Delivery, logged: LoggedRequest, send: Send) -> None:
    await asyncio.sleep(delivery.header_delay_seconds)
    logged.status = delivery.status
    headers = [(name.encode(), value.encode("latin-1")) for name, value in delivery.headers]
    await send({"type": "http.response.start", "status": delivery.status, "headers": headers})
    for step in delivery.steps:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        else:
            await send({"type": "http.response.body", "body": step.data, "more_body": True})
            logged.events_sent += step.events
    if delivery.breaks_off:
        # Returning without a last body message makes the server close the connection.
        logged.outcome = Outcome.BROKEN_OFF
        return
    # Set before the last bytes, so that a client that has read them finds it in the log.
    logged.outcome = Outcome.FINISHED
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
