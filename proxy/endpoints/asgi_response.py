"""
Send responses over ASGI: one message per frame, and pings while a stream is silent.

The exchange is finalized before the last bytes leave, so that its record
exists by the time the client sees the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from starlette.types import Send

from proxy.cooperative import CooperativeRunner
from proxy.exchange.context import ExchangeContext
from proxy.exchange.response_headers import translated_headers
from proxy.headers import Headers

Finalize: TypeAlias = Callable[[ExchangeContext], Awaitable[None]]
"""A function that records a finished exchange; called again, it does nothing."""


class AsgiResponse:
    """Sends the response of an exchange to the client."""

    def __init__(
        self,
        send: Send,
        context: ExchangeContext,
        finalizer: Finalize,
        runner: CooperativeRunner,
        *,
        ping_interval: float,
    ) -> None:
        self.has_started = False
        self.has_ended = False
        self.sent_bytes = 0
        """Number of bytes of the body."""
        self.closes_connection = False
        """Set if what the client is still sending is not worth reading."""
        self._send = send
        self.context = context
        self._finalizer = finalizer
        self._runner = runner
        self._group: asyncio.TaskGroup | None = None
        self._ping_interval = ping_interval
        self._sending = asyncio.Lock()  # a ping must not come between the start and a frame
        self._last_sent = time.monotonic()
        self._pings: asyncio.Task[None] | None = None

    def run_pings_in(self, group: asyncio.TaskGroup) -> None:
        """Set the task group for a stream's pings; without it there are none."""
        self._group = group

    async def whole(self, status: int, headers: Headers, body: Sequence[bytes]) -> None:
        """Send a JSON response, whose body may be in several pieces."""
        self._stop_pings()
        headers += [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % sum(map(len, body))),
            *([(b"connection", b"close")] if self.closes_connection else []),
        ]
        start = {"type": "http.response.start", "status": status, "headers": headers}
        *before, last = body
        async for piece in self._runner.iterate(before):
            await self._account(piece, concludes=False)
        await self._account(last, concludes=True)
        self.has_started = self.has_ended = True
        async with self._sending:
            await self._send(start)
            async for piece in self._runner.iterate(before):
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await self._send({"type": "http.response.body", "body": last})

    def open_stream(self, ping: Callable[[], bytes] | None) -> None:
        """Prepare a stream that begins with its first frame, or with a ping if that is late."""
        self.withdraw_stream()
        self._last_sent = time.monotonic()  # silence starts at upstream's headers
        if ping is not None and self._group is not None:
            self._pings = self._group.create_task(self._ping_while_silent(ping))

    def withdraw_stream(self) -> None:
        """Take back a stream that was opened but has not begun."""
        self._stop_pings()

    async def begin(self, status: int, headers: Headers) -> None:
        """Begin a response that is forwarded in pieces, unchanged."""
        self.has_started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def frame(self, data: bytes, *, concludes: bool = False) -> None:
        """Send a frame, or a piece that is forwarded, at once; the last one `concludes`."""
        async with self._sending:
            await self._send_frame(data, concludes=concludes, more_body=True)

    async def conclude(self, data: bytes) -> None:
        """Send the last frame and the end of the response in one write."""
        async with self._sending:
            self._stop_pings()
            await self._send_frame(data, concludes=True, more_body=False)

    async def end(self, *, abruptly: bool) -> None:
        """End the stream; `abruptly` makes the server close the connection without a last chunk."""
        self.has_ended = True
        self._stop_pings()
        await self.finalize()
        if not abruptly:
            await self._send({"type": "http.response.body", "body": b""})

    async def _send_frame(self, data: bytes, *, concludes: bool, more_body: bool) -> None:
        if not self.has_started:
            self.has_started = True
            self.context.begin_response(200)
            headers = [
                *translated_headers(self.context),
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
                (b"x-accel-buffering", b"no"),  # nginx would buffer frames
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self._last_sent = time.monotonic()
        await self._account(data, concludes=concludes)
        self.has_ended = not more_body
        await self._send({"type": "http.response.body", "body": data, "more_body": more_body})

    async def finalize(self) -> None:
        """Record the exchange; called before its last bytes are sent."""
        self.context.reply_bytes = self.sent_bytes
        await self._finalizer(self.context)

    async def _account(self, data: bytes, *, concludes: bool) -> None:
        self.sent_bytes += len(data)
        if self.context.capture is not None:
            self.context.capture.capture_reply(data)
        if concludes:
            await self.finalize()

    def _stop_pings(self) -> None:
        # A ping after the end would be read as part of the next response on the connection.
        if self._pings is not None:
            self._pings.cancel()
            self._pings = None  # break the reference cycle with the task (see server/memory.py)

    async def _ping_while_silent(self, ping: Callable[[], bytes]) -> None:
        while True:
            silent = time.monotonic() - self._last_sent
            if silent >= self._ping_interval:
                await self.frame(ping())
                silent = 0
            await asyncio.sleep(self._ping_interval - silent)
