"""
Spans of exchanges, and of the requests to upstreams that are made for them, for OpenTelemetry.

A span begins with what it is about, because its id travels on; all that it says is read off the
finished record. Names are those of the conventions for generative AI, which are in development:
`docs/gen-ai/gen-ai-spans.md` and `anthropic.md` of open-telemetry/semantic-conventions-genai,
and `docs/http/http-spans.md` of open-telemetry/semantic-conventions for the rest.

This module imports OpenTelemetry (`holdover[otel]`), so that nobody imports it who does not trace.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from proxy.errors import Blame
from proxy.headers import Headers
from proxy.security.keyring import DEFAULT_PORTS
from proxy.security.redaction import Hide, Redactor, in_brief
from proxy.trace_context import TRACE_HEADERS, Operation, RemoteSpan, remote_span
from proxy.traffic import TrafficRecord
from translators import Usage

log = structlog.get_logger()

_Attributes: TypeAlias = dict[str, str | bool | int | float | list[str]]

_FLUSH_SECONDS: Final = 2.0
"""Time in which the last spans are sent once the server has ended."""
_REPEAT_SECONDS: Final = 60.0
"""Time in which the same problem with the collector is said once."""
_WORD_LENGTH: Final = 256
"""Longest name of a model, and longest report of a problem; records have the same limit."""
_UNKNOWN: Final = Usage()
_READS_HEADERS: Final = "opentelemetry.util.re"
_BAD_HEADER: Final = (
    "A header in OTEL_EXPORTER_OTLP_HEADERS is left out: write NAME=VALUE, with a comma between"
    " two, and the values URL encoded."
)
_MAX_INT64: Final = 2**63 - 1
"""Largest number that OTLP takes; one above it would cost the spans that are sent with it."""
_PROVIDER: Final[_Attributes] = {"gen_ai.provider.name": "anthropic"}
_EXCHANGE: Final[_Attributes] = _PROVIDER | {
    "gen_ai.operation.name": "text_completion",
    "http.request.method": "POST",
    "http.route": "/v1/complete",
}


class Tracing:
    """Makes the spans of one process, and sends them from a thread of its own."""

    def __init__(self, version: str, redactor: Redactor) -> None:
        """Read the standard variables (`OTEL_...`); nothing is sent before there are spans."""
        sdk_log = logging.getLogger("opentelemetry")
        sdk_log.handlers, sdk_log.propagate = [_ProblemLog(redactor)], False
        sdk_log.getChild("trace").setLevel(logging.ERROR)  # it warns of what clients send
        self._provider = new_provider(version)
        self._tracer = self._provider.get_tracer("holdover", version)

    def begin(self, headers: Headers, received: float, started: float) -> ExchangeSpans:
        """Begin the span of an exchange that was `received` at this time."""
        clock = _Clock(int(received * 1e9), started)
        return ExchangeSpans(self._tracer, remote_span(headers), clock)

    async def close(self) -> None:
        """Send what is left, if that is quick."""
        loop, is_flushed = asyncio.get_running_loop(), asyncio.Event()

        def flush() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # it took too long, and the loop is closed
                loop.call_soon_threadsafe(is_flushed.set)

        # A daemon, for which the process does not wait at its end.
        threading.Thread(target=flush, name="traces", daemon=True).start()
        try:
            await asyncio.wait_for(is_flushed.wait(), _FLUSH_SECONDS)
        except TimeoutError:
            log.warning("traces_lost", reason="The collector did not take the last spans in time.")


def new_provider(version: str) -> TracerProvider:
    """Return a provider as the variables describe it, which has a thread until it is shut down."""
    own = {
        "service.name": "holdover",
        "service.version": version,
        "service.instance.id": str(uuid.uuid4()),
    }
    resource = Resource.create({**own, **OTELResourceDetector().detect().attributes})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def collector_takes_spans(seconds: float) -> bool:
    """Send no spans to the collector, which the variables name; return True if it takes them."""
    return OTLPSpanExporter(timeout=seconds).export(()) is SpanExportResult.SUCCESS


@dataclass(frozen=True, slots=True)
class _Clock:
    """Tells nanoseconds since the epoch, and the same durations as the record."""

    received: int
    started: float

    def now(self) -> int:
        return self.after((time.perf_counter() - self.started) * 1000)

    def after(self, milliseconds: float) -> int:
        return self.received + int(milliseconds * 1e6)


@dataclass(slots=True)
class _Request:
    """One request to an upstream, whose span ends when the record says what became of it."""

    span: Span
    operation: Operation
    model: str
    began: int
    ended: int | None = None
    status: int | None = None
    error_type: str | None = None
    result: _Attributes = field(default_factory=dict)


class RequestSpans:
    """Spans of the requests to upstreams that one answer takes; each links to the one before."""

    def __init__(
        self,
        tracer: Tracer,
        parent: Span,
        clock: _Clock,
        follows: SpanContext | None = None,
        leg: str | None = None,
    ) -> None:
        """Follow requests; `leg` says what they are for, if no client waits for the answer."""
        self.latest = follows
        """The request before the next one."""
        self._leg: _Attributes = {"holdover.leg": leg} if leg else {}
        self._tracer = tracer
        self._parent = parent
        self._clock = clock
        self._recorded: list[_Request] = []

    def begin(self, operation: Operation, model: str, url: str, headers: Headers) -> Headers:
        """Note that a request begins; return its headers, with its place in the trace."""
        place = self._parent.get_span_context()
        if place.trace_flags.sampled:  # else so is no part of it
            self.end_latest()
            began = self._clock.now()
            span = self._tracer.start_span(
                operation,
                set_span_in_context(self._parent, Context()),
                SpanKind.CLIENT,
                _PROVIDER | {"gen_ai.operation.name": operation} | _server(url) | self._leg,
                [Link(self.latest)] if self.latest else [],
                began,
            )
            place = self.latest = span.get_span_context()
            self._recorded.append(_Request(span, operation, model, began))
        if not place.is_valid:  # the SDK is off, and the client has no trace
            return headers
        parent = f"00-{place.trace_id:032x}-{place.span_id:016x}-{place.trace_flags:02x}"
        own = [(b"traceparent", parent.encode())]
        if place.trace_state:
            own.append((b"tracestate", place.trace_state.to_header().encode("latin-1")))
        return [*(each for each in headers if each[0].lower() not in TRACE_HEADERS), *own]

    def answered(self, status: int) -> None:
        """Note the status of the latest request."""
        if self._recorded:
            self._recorded[-1].status = status

    def end_latest(
        self,
        error_type: str | None = None,
        result: _Attributes | None = None,
        at: int | None = None,
    ) -> None:
        """Note that the latest request has ended, unless it has already."""
        if self._recorded and (latest := self._recorded[-1]).ended is None:
            latest.ended, latest.error_type = at or self._clock.now(), error_type
            latest.result = result or {}

    def first_chunk_seconds(self, first_token_ms: float | None) -> float | None:
        """Return what passed between the latest request and the first text of its answer."""
        if first_token_ms is None or not self._recorded:
            return None
        return (self._clock.after(first_token_ms) - self._recorded[-1].began) / 1e9

    def end(self, hide: Hide, error_type: str | None = None, usage: Usage = _UNKNOWN) -> None:
        """End all spans; `hide` redacts the names of models, which clients choose."""
        self.end_latest(error_type, _usage_attributes(usage))
        for request in self._recorded:
            model = in_brief(request.model, hide, _WORD_LENGTH) if request.model else ""
            status, error_type = request.status, request.error_type
            if error_type is None and status is not None and status >= HTTPStatus.BAD_REQUEST:
                error_type = str(status)
            request.span.update_name(_name(request.operation, model))
            request.span.set_attributes(
                request.result
                | _known(
                    {
                        "gen_ai.request.model": model or None,
                        "http.response.status_code": status,
                        "error.type": error_type,
                    }
                )
            )
            if error_type is not None:
                request.span.set_status(Status(StatusCode.ERROR))
            request.span.end(request.ended)
        self._recorded = []


class ExchangeSpans:
    """The span of one exchange, and those of the requests that it makes."""

    def __init__(self, tracer: Tracer, remote: RemoteSpan | None, clock: _Clock) -> None:
        self._tracer = tracer
        self._clock = clock
        self._span = tracer.start_span(
            "text_completion", _context(remote), SpanKind.SERVER, _EXCHANGE, None, clock.received
        )
        self.requests = RequestSpans(tracer, self._span, clock)

    @property
    def log_fields(self) -> dict[str, object]:
        """The fields by which a log line is found from a trace, and the trace from it."""
        place = self._span.get_span_context()
        if not place.is_valid:
            return {}
        return {"trace_id": f"{place.trace_id:032x}", "span_id": f"{place.span_id:016x}"}

    def shadow(self, leg: str) -> RequestSpans:
        """Return the spans of a shadow, which link to the request whose answer the client got."""
        # In the same trace, so that the shadow of a sampled exchange is sampled, too.
        return RequestSpans(self._tracer, self._span, self._clock, self.requests.latest, leg)

    def end(self, record: TrafficRecord, hide: Hide) -> None:
        """End all spans with what the record of the exchange says."""
        if not self._span.is_recording():
            return
        ended = self._clock.after(record.total_ms)
        # Once a request is out, it is upstream that finds fault with it.
        is_upstreams = record.blame in {Blame.CLIENT, Blame.UPSTREAM}
        self.requests.end_latest(
            record.error_type if is_upstreams else None, self._result(record), ended
        )
        self.requests.end(hide)
        self._span.update_name(_name("text_completion", record.asked_model))
        self._span.set_attributes(_exchange_attributes(record))
        if record.outcome.is_error and record.blame is not Blame.CLIENT:
            self._span.set_status(Status(StatusCode.ERROR, record.failure))
        self._span.end(ended)

    def _result(self, record: TrafficRecord) -> _Attributes:
        """Return what the latest request has brought."""
        reason = record.upstream_stop_reason
        first = self.requests.first_chunk_seconds(record.first_token_ms)
        return _usage_attributes(Usage(record.input_tokens, record.output_tokens)) | _known(
            {
                "gen_ai.request.stream": record.streamed or None,
                "gen_ai.response.model": record.answered_model,
                "gen_ai.response.finish_reasons": [reason] if reason else None,
                "gen_ai.response.time_to_first_chunk": first if record.streamed else None,
            }
        )


def _usage_attributes(usage: Usage) -> _Attributes:
    return _known(
        {
            "gen_ai.usage.input_tokens": _int64(usage.input_tokens),
            "gen_ai.usage.output_tokens": _int64(usage.output_tokens),
        }
    )


def _exchange_attributes(record: TrafficRecord) -> _Attributes:
    return _known(
        {
            "gen_ai.request.model": record.asked_model,
            "gen_ai.request.max_tokens": _int64(record.max_tokens),
            "gen_ai.request.temperature": record.temperature,
            "gen_ai.request.top_p": record.top_p,
            "gen_ai.request.top_k": _int64(record.top_k),
            "gen_ai.request.stream": record.streamed or None,
            "gen_ai.response.model": record.answered_model,
            "gen_ai.response.finish_reasons": [record.stop_reason] if record.stop_reason else None,
            "error.type": record.error_type,
            "http.response.status_code": record.status,
            "user_agent.original": record.user_agent,
            "holdover.id": record.id,
            "holdover.caller": record.caller_name or record.caller,
            "holdover.route": record.route,
            "holdover.rule": record.rule,
            "holdover.outcome": record.outcome.value,
            "holdover.adjustments": [made.kind for made in record.adjustments] or None,
        }
    )


def _name(operation: str, model: str | None) -> str:
    return f"{operation} {model}" if model else operation


def _known(attributes: Mapping[str, str | bool | int | float | list[str] | None]) -> _Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def _int64(number: float | None) -> int | None:
    return None if number is None else int(max(-_MAX_INT64, min(number, _MAX_INT64)))


@lru_cache(64)
def _server(url: str) -> _Attributes:
    """Return where an upstream is; its URL is the operator's."""
    parts = urlsplit(url)
    return {
        "server.address": parts.hostname or "",
        "server.port": parts.port or DEFAULT_PORTS[parts.scheme],
    }


def _context(remote: RemoteSpan | None) -> Context:
    """Return what OpenTelemetry takes for the place of a new span."""
    if remote is None:
        return Context()
    place = SpanContext(
        trace_id=int(remote.trace_id, 16),
        span_id=int(remote.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(remote.flags),
        trace_state=TraceState.from_header([remote.state]) if remote.state else None,
    )
    return set_span_in_context(NonRecordingSpan(place), Context())


class _ProblemLog(logging.Handler):
    """Says in Holdover's log what the SDK reports, each kind of problem once a minute."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(logging.WARNING)
        self._redactor = redactor
        self._said: dict[str, tuple[float, int]] = {}
        """When each message was last said, and how often it came since."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, or count it if the same has been said."""
        now = time.monotonic()
        before, count = self._said.get(record.msg, (-_REPEAT_SECONDS, 0))
        if now - before < _REPEAT_SECONDS:
            self._said[record.msg] = (before, count + 1)
            return
        self._said[record.msg] = (now, 0)
        # What does not look like a header is quoted, though it may be most of a password.
        said = _BAD_HEADER if record.name == _READS_HEADERS else record.getMessage()
        # A collector's answer is quoted, and it may be anything.
        reason = in_brief(said, self._redactor.text, _WORD_LENGTH)
        log.warning("traces_failing", reason=reason, count=count + 1)
