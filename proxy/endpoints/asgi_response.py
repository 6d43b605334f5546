"""
A `Reply` on an ASGI `send`: one frame, one message; pings while there is nothing to say.

Before the last bytes leave, whoever keeps evidence is told, so that no client
sees the end of an exchange of which there is none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from starlette.types import Send

from proxy.cooperative import CooperativeRunner
from proxy.exchange.context import ExchangeContext
from proxy.headers import Headers

Finalize: TypeAlias = Callable[[ExchangeContext], Awaitable[None]]
"""What is done with an exchange that is over, or as good as over; the second time, nothing."""


class AsgiResponse:
    """Sends what an exchange says."""

    def __init__(
        self,
        send: Send,
        notes: ExchangeContext,
        settle: Finalize,
        turns: CooperativeRunner,
        *,
        ping_interval: float,
    ) -> None:
        self.has_started = False
        self.has_ended = False
        self.sent_bytes = 0
        """Of the body."""
        self.closes_connection = False
        """Set where what the client still sends is not worth reading."""
        self.tap: Callable[[bytes], None] | None = None
        """Hears all that is said."""
        self._send = send
        self._notes = notes
        self._settle = settle
        self._turns = turns
        self._group: asyncio.TaskGroup | None = None
        self._ping_interval = ping_interval
        self._begin: Callable[[], Headers] | None = None
        self._sending = asyncio.Lock()  # a ping must not come between the start and a frame
        self._last_sent = time.monotonic()
        self._pings: asyncio.Task[None] | None = None

    def run_pings_in(self, group: asyncio.TaskGroup) -> None:
        """Say where a stream's pings may run; without, there are none."""
        self._group = group

    async def whole(self, status: int, headers: Headers, body: Sequence[bytes]) -> None:
        """Send a JSON answer, which may come in pieces."""
        self._stop_pings()
        headers += [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % sum(map(len, body))),
            *([(b"connection", b"close")] if self.closes_connection else []),
        ]
        start = {"type": "http.response.start", "status": status, "headers": headers}
        *before, last = body
        async for piece in self._turns.iterate(before):
            await self._say(piece, concludes=False)
        await self._say(last, concludes=True)
        self.has_started = self.has_ended = True
        async with self._sending:
            await self._send(start)
            async for piece in self._turns.iterate(before):
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await self._send({"type": "http.response.body", "body": last})

    def open_stream(self, begin: Callable[[], Headers], ping: Callable[[], bytes] | None) -> None:
        """Let the stream begin with its first frame, or with a ping if that is long in coming."""
        self.withdraw_stream()
        self._begin = begin
        self._last_sent = time.monotonic()  # silence counts from upstream's headers on
        if ping is not None and self._group is not None:
            self._pings = self._group.create_task(self._ping_while_silent(ping))

    def withdraw_stream(self) -> None:
        """Take back a stream that was opened and has not begun."""
        self._stop_pings()
        self._begin = None

    async def begin(self, status: int, headers: Headers) -> None:
        """Begin an answer that is passed on in pieces, as it is."""
        self.has_started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def frame(self, data: bytes, *, concludes: bool = False) -> None:
        """Send one frame, or one piece of what is passed on, at once; the last one `concludes`."""
        async with self._sending:
            await self._send_frame(data, concludes=concludes, more_body=True)

    async def conclude(self, data: bytes) -> None:
        """Send the last frame, and the end in the same write."""
        async with self._sending:
            self._stop_pings()
            await self._send_frame(data, concludes=True, more_body=False)

    async def end(self, *, abruptly: bool) -> None:
        """End the stream; abruptly: the server closes the connection without a last chunk."""
        self.has_ended = True
        self._stop_pings()
        await self.finalize()
        if not abruptly:
            await self._send({"type": "http.response.body", "body": b""})

    async def _send_frame(self, data: bytes, *, concludes: bool, more_body: bool) -> None:
        if not self.has_started:
            await self._start()
        self._last_sent = time.monotonic()
        await self._say(data, concludes=concludes)
        self.has_ended = not more_body
        await self._send({"type": "http.response.body", "body": data, "more_body": more_body})

    async def finalize(self) -> None:
        """Tell whoever keeps evidence that this is, as good as, all."""
        self._notes.reply_bytes = self.sent_bytes
        await self._settle(self._notes)

    async def _say(self, data: bytes, *, concludes: bool) -> None:
        self.sent_bytes += len(data)
        if self.tap is not None:
            self.tap(data)
        if concludes:
            await self.finalize()

    def _stop_pings(self) -> None:
        # A ping after the end would be read as part of the next answer on the connection.
        if self._pings is not None:
            self._pings.cancel()
            self._pings = None  # it knows us, and a circle would wait for the collector

    async def _start(self) -> None:
        assert self._begin is not None
        begin, self._begin = self._begin, None  # it knows us: no circles, as above
        self.has_started = True
        headers = [
            *begin(),
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),  # nginx would hold frames back
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _ping_while_silent(self, ping: Callable[[], bytes]) -> None:
        while True:
            silent = time.monotonic() - self._last_sent
            if silent >= self._ping_interval:
                await self.frame(ping())
                silent = 0
            await asyncio.sleep(self._ping_interval - silent)
