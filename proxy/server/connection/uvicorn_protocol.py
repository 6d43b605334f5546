"""
uvicorn's HTTP/1.1 protocol, with limits and behaviour that uvicorn cannot be configured for.

Only the parser decides where a request begins and ends; no byte is changed
before it. An offer to upgrade (`Upgrade: h2c`, which Java's own client makes to
every plain-text server) is declined by ignoring it, as RFC 9110, section 7.8
allows: the parsed head is fed to a new parser without the offer, and the
request, body included, is served as the HTTP/1.1 request that it is.

Requests have limits of size and time. One that exceeds them, or is not HTTP, is
answered in the legacy envelope, after the requests before it, and the
connection is closed, because its end cannot be found.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, ClassVar, Final, cast
from weakref import WeakKeyDictionary

import httptools
import structlog
from starlette.types import Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from proxy.error_app import error_app
from proxy.errors import (
    BodyStalled,
    Failure,
    HeadTooLarge,
    HeadTooSlow,
    MalformedRequest,
    TargetTooLong,
    TooManyClients,
    Tunnel,
    UnknownCoding,
)
from proxy.headers import Headers, declared_length
from proxy.security.hosts import only_host
from proxy.server.connection.client_gone import EXTENSION, Departure
from proxy.server.connection.early_refusal import is_short_body, whole_response
from proxy.server.connection.flow import Flow
from proxy.server.connection.half_close import provoke_reset
from proxy.server.connection.http10 import end_by_closing
from proxy.server.connection.lingering_close import LingeringTransport
from proxy.server.connection.partial_heads import PartialHeads
from proxy.server.connection.write_timeout import WRITE_SECONDS, WriteTimeout

log = structlog.get_logger()

MAX_TARGET_BYTES: Final = 16 * 1024
MAX_HEAD_BYTES: Final = 64 * 1024
"""Limit on the names and values of all headers together."""
MAX_HEADERS: Final = 100
_MAX_OVERHEAD_BYTES: Final = 128 * 1024
"""Limit on the bytes of a head, or on those between the bytes of a body. The parser reports a
header only when it is complete, and white space and chunk extensions not at all."""
_FREE_OVERHEAD_BYTES: Final = 4 * 1024
"""Bytes around a body that are not counted as an incomplete head."""
_CHUNK_BYTES: Final = 16
"""Bytes that a chunk may add to these: its size and two line ends."""
_PIECE_BYTES: Final = 16 * 1024
"""Bytes to parse before limits and the clock are checked again."""
_MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
"""Limit on the rest of a body that has been answered already; beyond it the connection is closed.
Many clients send everything before they read why it is refused."""
_MAX_HELD_BYTES: Final = 256 * 1024
"""Limit on unparsed bytes; below it we keep reading, the only way to notice a disconnect."""
_VERSIONS: Final = frozenset({"1.0", "1.1"})


_DEPARTED: Final = Departure()
"""The departure of all clients that have gone, as nobody begins to wait for them."""
_DEPARTED.come()

_PARTIAL_HEADS: Final[WeakKeyDictionary[ServerState, PartialHeads[ServerProtocol]]] = (
    WeakKeyDictionary()
)
"""The incomplete heads of each server."""


class _ReadState(enum.Enum):
    """The part of a request that the next byte belongs to."""

    NOTHING = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    REFUSED = enum.auto()
    """Everything that follows is discarded."""


class ServerProtocol(httptools_impl.HttpToolsProtocol):
    """The server side of a client's connection."""

    head_seconds: ClassVar[float] = 10
    """Time limit from the first byte of a head to its last."""
    body_seconds: ClassVar[float] = 60
    """Time limit between two pieces of a body, while we have room for it."""

    half_close_seconds: ClassVar[float] = 2
    """Time limit from the last byte of an HTTP/1.0 request to a FIN that belongs to it."""

    max_parse_seconds: ClassVar[float] = 0.004
    """Time to parse before other tasks get a turn: a megabyte may be 100,000 chunks."""
    last_request_seconds: ClassVar[float] = 3
    """Time for a first request to arrive on a connection while the server stops."""

    # What few connections come to need costs the others nothing.
    _departure: Departure | None = None
    _has_provoked = False

    def __init__(self, *args: Any, write_timeout: float = WRITE_SECONDS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._partial_heads = _PARTIAL_HEADS.setdefault(self.server_state, PartialHeads())
        self._write_seconds = write_timeout
        self._is_last_request = False
        self._header_count = 0
        self._header_bytes = 0
        self._body_bytes = 0
        self._read_state = _ReadState.NOTHING
        self._waiting_since = 0.0
        self._refusal: Failure | None = None
        """Why a body is not read to its end."""
        self._read_until = 0.0
        """When the last byte of the latest request was read."""
        self._piece_bytes = 0
        self._overhead_bytes = 0
        """Upper bound of the bytes since the parser last reported something."""
        self._discarded_bytes = 0
        self._held = bytearray()
        """Bytes that wait to be parsed, for other tasks or for a pipelined request."""
        self._timer: asyncio.TimerHandle | None = None
        self._current_cycle: httptools_impl.RequestResponseCycle | None = None
        self._refused_at_once: Callable[[Scope], Failure | None] | None = getattr(
            self.app, "refuse_at_once", None
        )
        """Decides without a task which requests are refused, if the application does so."""

    # Called by the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the idle timeout, so that it also ends connections on which nothing is sent."""
        write_timeout = WriteTimeout(transport, self.loop, self._write_seconds)
        closing_late = LingeringTransport(transport, self, self.loop, write_timeout)
        super().connection_made(cast("asyncio.Transport", closing_late))
        self.flow: Flow = Flow(self.transport, self, self.loop, write_timeout)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """Parse received bytes in small pieces, and hold them while there is enough to do."""
        if self._held:
            self._hold(data)
            return
        until = 0.0
        for start in range(0, len(data), _PIECE_BYTES):
            if self._read_state is _ReadState.REFUSED:
                return
            # At most one request may wait: parsed, its bytes take fifty times their size.
            is_time_up = until and time.perf_counter() >= until
            if self.pipeline or self._has_unread_answers or is_time_up:
                self._hold(data[start:])
                self.loop.call_soon(self._resume_parsing)
                break
            until = until or time.perf_counter() + self.max_parse_seconds
            self._parse_piece(data[start : start + _PIECE_BYTES])
        if self._read_state is _ReadState.BODY:
            self._waiting_since = self.loop.time()
        if self._read_state is _ReadState.HEAD or self._overhead_bytes > _FREE_OVERHEAD_BYTES:
            cost = self._overhead_bytes
            for connection in self._partial_heads.set(self, cost, self._header_count):
                connection.refuse(
                    TooManyClients(
                        "Too many requests with incomplete headers. Try again in a moment."
                    )
                )
        if self._timer is None and self._read_state in {_ReadState.HEAD, _ReadState.BODY}:
            self._start_timer(self._time_limit)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Return True to keep the connection for an answer; else the transport closes itself."""
        latest, current = self.cycle, self._current_cycle
        if current is None or current.response_started or not self.has_read_all:
            return False
        latest.keep_alive = False
        if latest.scope["http_version"] == "1.0":
            return self.loop.time() - self._read_until <= self.half_close_seconds
        self._provoke_reset(current)
        return True

    def eof_ahead(self) -> bool:
        """Return True to keep a connection that has ended behind bytes which are not read yet."""
        current = self._current_cycle
        if current is None or self.flow.is_held or self._lacks_bytes():
            return False
        if current.scope["http_version"] == "1.1":
            self._provoke_reset(current)
        return True

    def _lacks_bytes(self) -> bool:
        """Return True if a body says that more belongs to it than has arrived."""
        arrived = self._body_bytes + len(self._held) + self.flow.count_unread()
        return self._read_state is _ReadState.BODY and arrived < declared_length(self.headers)

    def _provoke_reset(self, current: httptools_impl.RequestResponseCycle) -> None:
        if not self._has_provoked:  # an end may have been seen before it is read
            self._has_provoked = True
            provoke_reset(self.transport, lambda: not current.response_started)

    def departure(self) -> Departure:
        """Return what interrupts those who wait while nothing of the client is read."""
        if self._departure is None:
            self._departure = Departure()
        return self._departure

    def _depart(self) -> None:
        departure, self._departure = self._departure, _DEPARTED
        if departure is not None:
            departure.come()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the exchange that is being answered; uvicorn only notifies the latest one."""
        self.stop_reading()
        self.flow.end()
        if (cycle := self._current_cycle) is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self._depart()
        self.pipeline.clear()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    @property
    def has_read_all(self) -> bool:
        """True if no part of a request is still outstanding."""
        return self._read_state is _ReadState.NOTHING and not self._held

    def stop_reading(self) -> None:
        """Discard everything that arrives from now on."""
        self._stop_timer()
        self._partial_heads.remove(self)
        self._read_state, self._held = _ReadState.REFUSED, bytearray()

    def on_response_complete(self) -> None:
        """Continue with a request that waits, or with bytes that are held."""
        super().on_response_complete()
        # Later, as the application is still running and must not see errors of the next request.
        self.loop.call_soon(self._resume_parsing)

    def resume_writing(self) -> None:
        """Go on with what is held until the client has read its answers."""
        super().resume_writing()
        self.loop.call_soon(self._resume_parsing)

    @property
    def _has_unread_answers(self) -> bool:
        """
        True if the client has to read before more of it is answered.

        An application waits for that by itself; requests that are refused at once do not.
        """
        return self.flow.write_paused and self.cycle.response_complete

    def shutdown(self) -> None:
        """Close after the request that is being answered, or the first one if it is to come."""
        self._is_last_request = True
        if self.cycle is None:
            self.loop.call_later(self.last_request_seconds, super().shutdown)
        else:
            super().shutdown()

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > _MAX_HELD_BYTES:
            self.flow.hold()

    def _resume_parsing(self) -> None:
        is_waiting = self.pipeline or self._has_unread_answers
        if self._held and not is_waiting and not self.transport.is_closing():
            held, self._held = bytes(self._held), bytearray()
            self.data_received(held)
        if len(self._held) <= _MAX_HELD_BYTES and self.flow.is_held:
            self.flow.release()

    # Called by the parser

    def on_message_begin(self) -> None:
        """Prepare for a head."""
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._stop_timer()  # the timer of the body before
        self._read_state, self._waiting_since = _ReadState.HEAD, self.loop.time()
        self._overhead_bytes = self._piece_bytes
        self._header_count = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            raise TargetTooLong(
                f"The path and query of a request may have at most {MAX_TARGET_BYTES} bytes."
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header within the limits; a trailer counts and is dropped (RFC 9110, 6.5)."""
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._header_count > MAX_HEADERS:
            raise HeadTooLarge(f"A request may have at most {MAX_HEADERS} headers.")
        if self._header_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge(f"The headers of a request may have at most {MAX_HEAD_BYTES} bytes.")
        if self._read_state is _ReadState.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head and start the exchange, unless the request offers to upgrade."""
        if self.parser.should_upgrade():
            return
        headers, version = self.headers, self.parser.get_http_version()
        if version not in _VERSIONS:
            raise MalformedRequest("Only HTTP/1.1 and HTTP/1.0 are supported.")
        if b"#" in self.url:  # the path would end there for us, and for others not
            raise MalformedRequest("The path and query of a request hold no `#`: write it as %23.")
        headers[:] = [(name, value.rstrip(b" \t")) for name, value in headers]  # RFC 9110, 5.5
        check_coding(headers)
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110, 10.1.1
        if version == "1.1" or any(name == b"host" for name, _ in headers):
            only_host(headers)
        if not self.url.startswith(b"/"):
            self._use_host_of_target()
        super().on_headers_complete()
        if self.pipeline:
            # uvicorn reads no more now, and would not notice that the client leaves.
            self.flow.resume_reading()
        if not self.cycle.response_complete:
            self._unset_keepalive_if_required()  # a response that ended meanwhile may have set it
        if self._is_last_request:
            self.cycle.keep_alive = False
        self._partial_heads.remove(self)
        self._read_state = _ReadState.BODY
        self._overhead_bytes = self._discarded_bytes = 0
        self._header_count = self._header_bytes = self._body_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._overhead_bytes -= len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Allow for the size and line ends of a chunk."""
        self._overhead_bytes -= _CHUNK_BYTES

    def on_message_complete(self) -> None:
        """Finish reading the request."""
        if self.parser.should_upgrade():
            return
        self._stop_timer()
        self._partial_heads.remove(self)
        self._read_state = _ReadState.NOTHING
        self._note_end_of_request()
        if self.cycle.scope["http_version"] == "1.0":
            # Again when the application has taken its first turn, as no FIN can be read before.
            self.loop.call_soon(self._note_end_of_request)
        self._overhead_bytes = 0
        super().on_message_complete()

    def _note_end_of_request(self) -> None:
        self._read_until = self.loop.time()

    # Parsing and refusing

    def refuse(self, failure: Failure) -> None:
        """Answer an unreadable request, after those before it, and close the connection."""
        log.warning("request_refused", status=failure.status, reason=str(failure))
        is_in_body = self._read_state is _ReadState.BODY
        self.stop_reading()
        # Nothing of what was received is kept until this is answered: neither by the parser, which
        # runs no more, nor by a traceback.
        self.url, self.headers = b"", []
        self.parser = None  # type: ignore[assignment]
        refusal = cast("ASGI3Application", error_app(failure.with_traceback(None)))
        if not is_in_body:
            self._answer_in_turn(refusal)
        elif self.cycle is not self._current_cycle:
            cycle, _ = self.pipeline.popleft()  # this request, which waits for its turn
            self.pipeline.appendleft((cycle, refusal))
        else:
            self._refusal = failure
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._depart()
            if self.cycle.response_started:
                self.transport.close()
                return
            self._current_cycle = None
            self._answer_in_turn(refusal, self.cycle.scope["method"])

    def _answer_in_turn(self, refusal: ASGI3Application, method: str = "GET") -> None:
        before = self._current_cycle
        self.cycle = httptools_impl.RequestResponseCycle(
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
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, refusal)
        else:
            self.pipeline.appendleft((self.cycle, refusal))

    def _start_asgi_task(self, cycle: httptools_impl.RequestResponseCycle, app: Any) -> None:
        if self.transport.is_closing():  # the request before, in the same piece, was the last one
            return
        self._current_cycle = cycle
        if (
            app is self.app
            and self._refused_at_once is not None
            and (failure := self._refused_at_once(cast("Scope", cycle.scope))) is not None
        ):
            self._answer_at_once(cycle, failure)
            return
        if cycle.scope["http_version"] == "1.0":
            app = partial(end_by_closing, cycle, app)
        super()._start_asgi_task(cycle, partial(self._run, app))

    async def _run(self, app: ASGI3Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Run an application, and tell it what is wrong with a body that is not read to its end."""
        scope["extensions"] = {EXTENSION: self.departure}

        async def receiving() -> Any:
            message = await receive()
            if self._refusal is not None and message["type"] == "http.disconnect":
                return {**message, "failure": copy(self._refusal)}  # which may get a traceback
            return message

        await app(cast("Any", scope), receiving, cast("Any", send))

    def _answer_at_once(self, cycle: httptools_impl.RequestResponseCycle, failure: Failure) -> None:
        """Refuse a request without a task, and without its body unless that is short."""
        headers = list(cycle.scope["headers"])
        is_short = is_short_body(headers) and not cycle.waiting_for_100_continue
        cycle.response_started = cycle.response_complete = True
        self.server_state.total_requests += 1
        is_draining = bool(cycle.default_headers)  # which are `connection: close` then
        keeps_alive = cycle.keep_alive and is_short and not is_draining
        self.transport.write(whole_response(failure, headers, keeps_alive=keeps_alive))
        if not keeps_alive:
            self.transport.close()
        elif self.pipeline:
            self.loop.call_soon(self._start_asgi_task, *self.pipeline.pop())
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _parse_piece(self, piece: bytes) -> None:
        self._piece_bytes = len(piece)
        self._overhead_bytes += self._piece_bytes
        try:
            self._parse(piece)
            self._overhead_bytes = max(0, self._overhead_bytes)  # chunks may take less than 16
            if self._overhead_bytes > _MAX_OVERHEAD_BYTES:
                raise HeadTooLarge(
                    "A request may have at most "
                    f"{_MAX_OVERHEAD_BYTES} bytes around its headers and its body."
                )
            if self._read_state is _ReadState.BODY and self.cycle.response_complete:
                self._discarded_bytes += self._piece_bytes
                if self._discarded_bytes > _MAX_DISCARDED_BYTES:
                    self.transport.close()
        except httptools.HttpParserError as exc:
            self.refuse(_to_failure(exc))
        except Failure as exc:
            self.refuse(exc)

    def _parse(self, piece: bytes) -> None:
        while True:
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as offer:
                piece = piece[offer.args[0] :]
            else:
                return
            # Parse the head again without its offer to upgrade.
            method, version = self.parser.get_method(), self.parser.get_http_version()
            if method == b"CONNECT":
                raise Tunnel("CONNECT is not supported: send the request itself.")
            rest = [header for header in self.headers if header[0] != b"upgrade"]
            lines = [b"%b %b HTTP/%b" % (method, self.url, version.encode())]
            lines += [b"%b: %b" % header for header in rest]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            self.parser.feed_data(b"\r\n".join((*lines, b"", b"")))

    def _use_host_of_target(self) -> None:
        """Use the host of an absolute target in place of the header (RFC 9112, section 3.2.2)."""
        target = httptools.parse_url(self.url)
        if target.host:
            port = b":%d" % target.port if target.port else b""
            others = [header for header in self.headers if header[0] != b"host"]
            self.headers[:] = [(b"host", target.host + port), *others]
            only_host(self.headers)

    # Time

    @property
    def _time_limit(self) -> float:
        return self.head_seconds if self._read_state is _ReadState.HEAD else self.body_seconds

    def _start_timer(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._check_time)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_time(self) -> None:
        # One timer serves many pieces: setting one for each costs more than checking the time.
        self._timer = None
        now = self.loop.time()
        if self.flow.read_paused or self._held:  # we are the slow side, not the client
            self._waiting_since = now
        left = self._waiting_since + self._time_limit - now
        if left > 0:
            self._start_timer(left)
        elif self._read_state is _ReadState.HEAD:
            self.refuse(
                HeadTooSlow(f"The headers did not arrive within {self.head_seconds:g} seconds.")
            )
        else:
            self.refuse(
                BodyStalled(f"Nothing of the body arrived for {self.body_seconds:g} seconds.")
            )


def check_coding(headers: Headers) -> None:
    """Raise `UnknownCoding` unless the only transfer coding is `chunked` (RFC 9112, 6.1)."""
    values = [value for name, value in headers if name == b"transfer-encoding"]
    *others, last = [coding.strip().lower() for coding in b",".join(values).split(b",")]
    if others and last == b"chunked":  # the parser itself refuses other last codings
        raise UnknownCoding("The only transfer coding supported is `chunked`, once.")


def _to_failure(problem: httptools.HttpParserError) -> Failure:
    if isinstance(problem.__context__, Failure):
        return problem.__context__  # raised in one of our callbacks
    # Subclasses quote the client or our callbacks, so their text must not go into an answer.
    reason = f" ({problem})" if type(problem) is httptools.HttpParserError else ""
    return MalformedRequest(
        f"This is not a valid HTTP/1.1 request{reason}. "
        "Check the proxies between client and server."
    )
