"""
An upstream that takes its time: raw asyncio, a process of its own.

    python -m tests.benchmarks.upstream PORT

Asked for "150 events, 30.0 a second", it streams them, each in a packet of its own, with the
moment it was sent as its text: nanoseconds of the monotonic clock, which is one for all
processes of a machine. Streams that begin together do not tick together. SIGUSR1 lets all streams
end properly, at once. Whatever else it is asked gets a whole answer, after the last byte of the
request, or so much later as it is asked for: "after 10 ms".
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from typing import Final, cast

import httptools
import uvloop

from tests.benchmarks.canned import HEAD, TAIL, WHOLE, delta

_ASKED: Final = re.compile(rb"(\d+) events, ([\d.]+) a second")
_LATER: Final = re.compile(rb"after (\d+) ms")
_MAX_USEFUL_LENGTH: Final = 64 * 1024
_GOLDEN: Final = 0.618034
_STAMP: Final = b"0" * 20
_ENDINGS_A_SECOND: Final = 1000
_WHOLE: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    b"request-id: req_018EeWyXxfu5pfWkrYcMdjWG\r\ncontent-length: %d\r\n\r\n%b"
) % (len(WHOLE), WHOLE)
_BEGUN: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"request-id: req_018EeWyXxfu5pfWkrYcMdjWG\r\ntransfer-encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_HEAD: Final = _BEGUN + b"".join(map(chunk, HEAD))
_TAIL: Final = b"".join(map(chunk, TAIL)) + chunk(b"")
_BEFORE, _, _AFTER = chunk(delta(f" {_STAMP.decode()}")).partition(_STAMP)


class Conversation(asyncio.Protocol):
    """One connection: requests one after the other, a stream at a time."""

    streaming: Final[set[Conversation]] = set()
    _begun = 0

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._body = bytearray()
        self._left = 0
        self._period = self._due = 0.0
        self._tick: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's, which is not of that class

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        self._stop()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        if len(self._body) < _MAX_USEFUL_LENGTH:
            self._body += body

    def on_message_complete(self) -> None:
        if asked := _ASKED.search(self._body):
            self._begin(int(asked[1]), float(asked[2]))
        elif asked := _LATER.search(self._body):
            self._loop.call_later(int(asked[1]) / 1e3, self._transport.write, _WHOLE)
        else:
            self._transport.write(_WHOLE)

    def _begin(self, events: int, rate: float) -> None:
        Conversation._begun += 1
        Conversation.streaming.add(self)
        self._left, self._period = events, 1 / rate
        self._transport.write(_HEAD)
        share = Conversation._begun * _GOLDEN % 1
        self._due = self._loop.time() + share * self._period
        self._tick = self._loop.call_at(self._due, self._say)

    def _say(self) -> None:
        if not self._left:
            self.finish()
            return
        self._left -= 1
        self._transport.write(b"%b%020d%b" % (_BEFORE, time.monotonic_ns(), _AFTER))
        self._due += self._period
        self._tick = self._loop.call_at(self._due, self._say)

    def finish(self) -> None:
        """End the stream as a message ends."""
        if self in Conversation.streaming:
            self._stop()
            self._transport.write(_TAIL)

    def _stop(self) -> None:
        Conversation.streaming.discard(self)
        if self._tick:
            self._tick.cancel()
            self._tick = None


def finish_all() -> None:
    """Not in one moment: no upstream ends thousands of streams in one."""
    loop = asyncio.get_running_loop()
    for place, conversation in enumerate(list(Conversation.streaming)):
        loop.call_later(place / _ENDINGS_A_SECOND, conversation.finish)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, finish_all)
    server = await loop.create_server(Conversation, "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
