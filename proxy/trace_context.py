"""
The trace that a request belongs to, as its headers say it (W3C Trace Context).

https://www.w3.org/TR/trace-context/. Nothing in here needs OpenTelemetry: the trace of a client
is named in the log even where Holdover has no spans of its own.
"""

from __future__ import annotations

import re
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from proxy.headers import Headers, joined

Operation: TypeAlias = Literal["chat", "text_completion"]
"""The operation of a request, as the OpenTelemetry conventions for generative AI name it."""

TRACE_HEADERS: Final = (b"traceparent", b"tracestate")
_PARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_KNOWN_FLAGS: Final = 0b11
"""Sampled; and, since level 2, that the trace's id is random."""
_MAX_STATE: Final = 512
"""Longest `tracestate` that goes on: what everybody should take (section 3.3.1.5)."""


class RemoteSpan(msgspec.Struct, frozen=True):
    """The span of a client's that a request was made in."""

    trace_id: str
    span_id: str
    flags: int
    state: str
    """The `tracestate` of whoever took part so far; empty if there is none, or it is too long."""


class RequestTrace(Protocol):
    """Follows the requests to upstreams that one answer takes."""

    def begin(self, operation: Operation, model: str, url: str, headers: Headers) -> Headers:
        """Note that a request begins; return its headers, with its place in the trace."""
        ...

    def answered(self, status: int) -> None:
        """Note the status of the latest request."""


def remote_span(headers: Headers) -> RemoteSpan | None:
    """Return the client's span, or None if the headers name none or not exactly one."""
    given = joined(headers, b"traceparent")  # of two, joined by a comma, neither counts
    parts = _PARENT.fullmatch(given) if given is not None else None
    if parts is None:
        return None
    version, trace_id, span_id, flags, more = parts.groups()
    if version == "00" and more:  # only later versions may say more
        return None
    state = joined(headers, b"tracestate") or ""
    return RemoteSpan(
        trace_id=trace_id,
        span_id=span_id,
        flags=int(flags, 16) & _KNOWN_FLAGS,
        state=state if len(state) <= _MAX_STATE else "",
    )
