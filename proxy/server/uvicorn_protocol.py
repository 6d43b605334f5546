"""
uvicorn's HTTP/1.1 protocol, with what its settings cannot say.

The parser alone decides where a request begins and ends; no byte is edited
before it. What it announces as an upgrade (`Upgrade: h2c`, which Java's own
client offers to every plain-text server) is declined by not hearing the offer,
as RFC 9110, section 7.8 allows: the parsed head goes through a fresh parser
once more, without the offer, and the request is the HTTP/1.1 request that it
is, body and all.

A request is read within bounds of size and time. One that goes beyond them, or
is no HTTP, is answered in the legacy envelope, in its turn, and its connection
is closed: what follows it cannot be told from its rest.

Statuses that HTTP itself does not name get a reason phrase: TypeScript 0.4.x
shows its user nothing else of an error (clients, rule 8), and ASGI gives an
application no way to say it.
"""

from __future__ import annotations

import asyncio
import enum
import time
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

import httptools
import structlog
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl

from proxy.error_app import error_app
from proxy.errors import (
    BodyStalled,
    Failure,
    HeadTooLarge,
    HeadTooSlow,
    MalformedRequest,
    TargetTooLong,
    Tunnel,
    UnknownCoding,
)
from proxy.headers import Headers
from proxy.security.hosts import only_host
from proxy.server.lingering_close import LingeringTransport

log = structlog.get_logger()

MAX_TARGET_BYTES: Final = 16 * 1024
MAX_HEAD_BYTES: Final = 64 * 1024
"""Names and values of all headers together."""
MAX_HEADERS: Final = 100
_MAX_OVERHEAD_BYTES: Final = 128 * 1024
"""Bytes of a head, or between the bytes of a body, whatever they are: the parser tells of a header
when it is whole, and of white space and chunk extensions never."""
_CHUNK_BYTES: Final = 16
"""What a chunk may add to that: its size and two ends of lines."""
_PIECE_BYTES: Final = 16 * 1024
"""So much is parsed between two looks at the bounds, and at the clock."""
_MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a body that is answered already: with more on its way the connection is closed. Many
clients send all of what they have before they read why it is refused."""
_MAX_HELD_BYTES: Final = 256 * 1024
"""Bytes that wait unparsed; up to there reading goes on, which alone tells that a client goes."""
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_PHRASES: Final = {529: "Overloaded"}


class _ReadState(enum.Enum):
    """What the next byte of a client belongs to."""

    NOTHING = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    REFUSED = enum.auto()
    """Nothing that is read any more."""


class _Flow(FlowControl):
    """Pauses and resumes a transport for two reasons: uvicorn's, and that something is held."""

    is_held = False
    _is_paused = False

    def hold(self) -> None:
        """Read nothing while this lasts, whatever uvicorn says."""
        self.is_held = True
        super().pause_reading()

    def release(self) -> None:
        """Read on, if uvicorn would."""
        self.is_held = False
        if not self._is_paused:
            super().resume_reading()

    def pause_reading(self) -> None:
        """Read nothing until uvicorn says so."""
        self._is_paused = True
        super().pause_reading()

    def resume_reading(self) -> None:
        """Read on, unless something is held."""
        self._is_paused = False
        if not self.is_held:
            super().resume_reading()


class ServerProtocol(httptools_impl.HttpToolsProtocol):
    """One connection of a client."""

    head_seconds: ClassVar[float] = 10
    """From the first byte of a head to its last."""
    body_seconds: ClassVar[float] = 60
    """From one piece of a body to the next, while there is room for it."""

    turn_seconds: ClassVar[float] = 0.004
    """For parsing, until others have their turn: a megabyte may be a hundred thousand chunks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reading = _ReadState.NOTHING
        self._reading_since = 0.0
        self._piece_bytes = 0
        self._overhead_bytes = 0
        """Bytes since the last thing that the parser told of, rather more than fewer."""
        self._passed_over_bytes = 0
        self._held = bytearray()
        """Bytes that came and are not parsed yet: others have their turn, or a request waits."""
        self._clock: asyncio.TimerHandle | None = None
        self._answering: httptools_impl.RequestResponseCycle | None = None

    # What the network says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; a client that says nothing at all is idle from the start."""
        closing_late = LingeringTransport(transport, self, self.loop)
        super().connection_made(cast("asyncio.Transport", closing_late))
        self.flow: _Flow = _Flow(cast("asyncio.Transport", closing_late))
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """Take bytes off the network, a piece at a time, and no more than can be worked on."""
        if self._held:
            self._hold(data)
            return
        until = 0.0
        for start in range(0, len(data), _PIECE_BYTES):
            if self._reading is _ReadState.REFUSED:
                return
            # One request may wait for its turn: parsed bytes take fifty times their room.
            if self.pipeline or (until and time.perf_counter() >= until):
                self._hold(data[start:])
                self.loop.call_soon(self._read_on)
                break
            until = until or time.perf_counter() + self.turn_seconds
            self._take(data[start : start + _PIECE_BYTES])
        if self._reading is _ReadState.BODY:
            self._reading_since = self.loop.time()
        if self._clock is None and self._reading in {_ReadState.HEAD, _ReadState.BODY}:
            self._watch(self._patience)

    def eof_received(self) -> None:
        """Let the transport close, as it does by itself where nothing else is said."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange that is being answered; uvicorn tells the last one that was asked."""
        self._stop_watching()
        if (cycle := self._answering) is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.pipeline.clear()
        self._reading, self._held = _ReadState.REFUSED, bytearray()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    @property
    def has_read_all(self) -> bool:
        """Whether nothing of a request is still on its way."""
        return self._reading is _ReadState.NOTHING and not self._held

    def stop_reading(self) -> None:
        """Pass over whatever comes from now on."""
        self._stop_watching()
        self._reading, self._held = _ReadState.REFUSED, bytearray()

    def on_response_complete(self) -> None:
        """Go on with what was asked meanwhile, or with what is still held."""
        super().on_response_complete()
        # Not at once: here the application is at work, and what goes wrong in it is its own affair.
        self.loop.call_soon(self._read_on)

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > _MAX_HELD_BYTES:
            self.flow.hold()

    def _read_on(self) -> None:
        if self._held and not self.pipeline and not self.transport.is_closing():
            held, self._held = bytes(self._held), bytearray()
            self.data_received(held)
        if len(self._held) <= _MAX_HELD_BYTES and self.flow.is_held:
            self.flow.release()

    # What the parser says

    def on_message_begin(self) -> None:
        """Expect a head."""
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._stop_watching()  # of the body before it; this head has a time of its own
        self._reading, self._reading_since = _ReadState.HEAD, self.loop.time()
        self._overhead_bytes = self._piece_bytes

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            raise TargetTooLong(
                f"The path and query of a request may have {MAX_TARGET_BYTES} bytes."
            )

    def on_headers_complete(self) -> None:
        """Begin the exchange, unless the head is read again without its offer to upgrade."""
        if self.parser.should_upgrade():
            return
        headers, version = self.headers, self.parser.get_http_version()
        if version not in _VERSIONS:
            raise MalformedRequest("HTTP/1.1 and HTTP/1.0 are spoken here.")
        self._check_size_of(headers)
        headers[:] = [(name, value.rstrip(b" \t")) for name, value in headers]  # RFC 9110, 5.5
        check_coding(headers)
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110, 10.1.1
        if version == "1.1" or any(name == b"host" for name, _ in headers):
            only_host(headers)
        if not self.url.startswith(b"/"):
            self._take_host_of_target()
        super().on_headers_complete()
        self._unset_keepalive_if_required()  # set by an answer that ended meanwhile
        self.headers = []  # what comes after the body is no header (RFC 9110, section 6.5)
        self._reading = _ReadState.BODY
        self._overhead_bytes = self._passed_over_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._overhead_bytes -= len(body)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Allow for what stands around a chunk."""
        self._overhead_bytes -= _CHUNK_BYTES

    def on_message_complete(self) -> None:
        """End the request."""
        if self.parser.should_upgrade():
            return
        self._stop_watching()
        self._reading = _ReadState.NOTHING
        self._overhead_bytes = 0
        super().on_message_complete()

    # What is made of it

    def refuse(self, failure: Failure) -> None:
        """Answer in its turn what cannot be read, or not be read on, and close the connection."""
        log.warning("request_refused", status=failure.status, reason=str(failure))
        is_in_body = self._reading is _ReadState.BODY
        self.stop_reading()
        refusal = cast("ASGI3Application", error_app(failure))
        if not is_in_body:
            self._answer_in_turn(refusal)
        elif self.cycle is not self._answering:
            cycle, _ = self.pipeline.popleft()  # the youngest, which has not begun to be answered
            self.pipeline.appendleft((cycle, refusal))
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._answering = None
            self._answer_in_turn(refusal, self.cycle.scope["method"])

    def _answer_in_turn(self, refusal: ASGI3Application, method: str = "GET") -> None:
        before = self._answering
        self.cycle = self._cycle_of_a_refusal(method)
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, refusal)
        else:
            self.pipeline.appendleft((self.cycle, refusal))

    def _cycle_of_a_refusal(self, method: str) -> httptools_impl.RequestResponseCycle:
        return httptools_impl.RequestResponseCycle(
            scope={"type": "http", "method": method, "http_version": "1.1"},  # type: ignore[typeddict-item]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )

    def _start_asgi_task(self, cycle: httptools_impl.RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _take(self, piece: bytes) -> None:
        self._piece_bytes = len(piece)
        self._overhead_bytes += self._piece_bytes
        try:
            self._parse(piece)
            self._overhead_bytes = max(0, self._overhead_bytes)  # a small chunk takes less than 16
            if self._overhead_bytes > _MAX_OVERHEAD_BYTES:
                raise HeadTooLarge("There is too much around the headers, or around the body.")
            self._pass_over()
        except httptools.HttpParserError as exc:
            self.refuse(_failure_of(exc))
        except Failure as exc:
            self.refuse(exc)

    def _pass_over(self) -> None:
        """Close, once so much has come of a body that nobody reads any more."""
        if self._reading is _ReadState.BODY and self.cycle.response_complete:
            self._passed_over_bytes += self._piece_bytes
            if self._passed_over_bytes > _MAX_DISCARDED_BYTES:
                self.transport.close()

    def _parse(self, piece: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as offer:
                piece = piece[offer.args[0] :]
                self._decline_upgrade()
            else:
                return

    def _decline_upgrade(self) -> None:
        """Read the head that was just parsed once more, without its offer."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            raise Tunnel("There are no tunnels here: send the request itself.")
        rest = [header for header in self.headers if header[0] != b"upgrade"]
        lines = [b"%b %b HTTP/%b" % (method, self.url, version.encode())]
        lines += [b"%b: %b" % header for header in rest]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self.parser.feed_data(b"\r\n".join((*lines, b"", b"")))

    def _take_host_of_target(self) -> None:
        """A target that names a host does so instead of the header (RFC 9112, section 3.2.2)."""
        target = httptools.parse_url(self.url)
        if target.host:
            port = b":%d" % target.port if target.port else b""
            others = [header for header in self.headers if header[0] != b"host"]
            self.headers[:] = [(b"host", target.host + port), *others]
            only_host(self.headers)

    def _check_size_of(self, headers: Headers) -> None:
        if len(headers) > MAX_HEADERS:
            raise HeadTooLarge(f"A request may have {MAX_HEADERS} headers.")
        if self._overhead_bytes > MAX_HEAD_BYTES:  # at least as many as the head has
            size = sum(len(name) + len(value) for name, value in headers)
            if size > MAX_HEAD_BYTES:
                raise HeadTooLarge(f"The headers of a request may have {MAX_HEAD_BYTES} bytes.")

    # Time

    @property
    def _patience(self) -> float:
        return self.head_seconds if self._reading is _ReadState.HEAD else self.body_seconds

    def _watch(self, seconds: float) -> None:
        self._clock = self.loop.call_later(seconds, self._look_at_the_clock)

    def _stop_watching(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _look_at_the_clock(self) -> None:
        # One timer for many pieces: to set and cancel one for each costs more than to read it.
        self._clock = None
        now = self.loop.time()
        if self.flow.read_paused:  # it is not the client that is slow
            self._reading_since = now
        left = self._reading_since + self._patience - now
        if left > 0:
            self._watch(left)
        elif self._reading is _ReadState.HEAD:
            self.refuse(
                HeadTooSlow(f"The headers did not arrive within {self.head_seconds:g} seconds.")
            )
        else:
            self.refuse(
                BodyStalled(f"Nothing of the body arrived for {self.body_seconds:g} seconds.")
            )


def check_coding(headers: Headers) -> None:
    """Raise `UnknownCoding` where a body comes in any coding but `chunked` (RFC 9112, 6.1)."""
    values = [value for name, value in headers if name == b"transfer-encoding"]
    *others, last = [coding.strip().lower() for coding in b",".join(values).split(b",")]
    if others and last == b"chunked":  # one without an end the parser refuses
        raise UnknownCoding("Of transfer codings only `chunked` is understood here, once.")


def _failure_of(problem: httptools.HttpParserError) -> Failure:
    """What we ourselves said when the parser asked us, or else what the parser says."""
    if isinstance(problem.__context__, Failure):
        return problem.__context__
    is_told = type(problem) is httptools.HttpParserError  # the others quote the client, or us
    reason = f" ({problem})" if is_told else ""
    return MalformedRequest(
        f"This is no HTTP/1.1 request{reason}. Look at what stands between client and server."
    )


def name_unnamed_statuses() -> None:
    """Give every status of an error its phrase, in the table that uvicorn takes them from."""
    named = {status.value for status in HTTPStatus}
    for status in range(400, 600):
        if status not in named:
            phrase = _PHRASES.get(status, "Error")
            httptools_impl.STATUS_LINE[status] = f"HTTP/1.1 {status} {phrase}\r\n".encode()
