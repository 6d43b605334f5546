"""A collector on loopback that takes spans as OTLP over HTTP says, and keeps them for tests."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.servers import serving
from tests.waiting import wait_for


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it came over the wire, with ids as headers and logs spell them."""

    wire: Span = field(repr=False)
    resource: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        return self.wire.name

    @property
    def kind(self) -> str:
        return str(Span.SpanKind.Name(self.wire.kind)).removeprefix("SPAN_KIND_")

    @property
    def status(self) -> str:
        code = self.wire.status.code
        return str(Status.StatusCode.Name(code)).removeprefix("STATUS_CODE_")

    @property
    def trace_id(self) -> str:
        return self.wire.trace_id.hex()

    @property
    def span_id(self) -> str:
        return self.wire.span_id.hex()

    @property
    def parent_id(self) -> str:
        return self.wire.parent_span_id.hex()

    @property
    def links(self) -> list[str]:
        return [link.span_id.hex() for link in self.wire.links]

    @property
    def attributes(self) -> dict[str, Any]:
        return _plain(self.wire.attributes)


@dataclass
class Receiver:
    """What a collector has received so far."""

    url: str = ""
    spans: list[ReceivedSpan] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        """Keep the spans of one request."""
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        export = ExportTraceServiceRequest.FromString(body)
        self.spans += [
            ReceivedSpan(span, _plain(each.resource.attributes))
            for each in export.resource_spans
            for scope in each.scope_spans
            for span in scope.spans
        ]
        answer = ExportTraceServiceResponse().SerializeToString()
        return Response(answer, media_type="application/x-protobuf")

    def of_trace(self, trace_id: str, count: int) -> list[ReceivedSpan]:
        """Return the spans of a trace, in the order in which they began, once so many are here."""

        def found() -> list[ReceivedSpan]:
            return [span for span in self.spans if span.trace_id == trace_id]

        wait_for(lambda: len(found()) >= count, about=found)
        spans = sorted(found(), key=lambda span: span.wire.start_time_unix_nano)
        assert len(spans) == count, [span.name for span in spans]
        return spans


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a collector."""
    receiver = Receiver()
    app = Starlette(routes=[Route("/v1/traces", receiver.take, methods=["POST"])])
    with serving(app) as url:
        receiver.url = url
        yield receiver


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes if isinstance(each, KeyValue)}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, str(kind))
