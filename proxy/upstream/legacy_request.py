"""A legacy completion request, decoded as far as that is possible."""

from __future__ import annotations

import msgspec

from proxy.headers import Headers, joined
from proxy.security.keyring import Caller
from proxy.security.redaction import HiddenRepr
from proxy.upstream.request_headers import unsent_headers
from translators import (
    CompletionRequest,
    Dialect,
    InvalidCompletionRequest,
    ParsedRequest,
    Steps,
    completed,
    decode_in_steps,
    dialect_of,
    parse_request_in_steps,
)


class LegacyRequest(HiddenRepr, frozen=True, kw_only=True):
    """A completion request: its raw bytes, and what could be read of them."""

    caller: Caller
    headers: Headers
    query: bytes
    body: bytes
    parsed: ParsedRequest | None
    dialect: Dialect | None
    problem: InvalidCompletionRequest | None
    """The error that keeps the request from being translated; it may still be forwarded."""

    @property
    def completion_request(self) -> CompletionRequest | None:
        """The request as the client sent it, decoded; None if it is unreadable."""
        return self.parsed.decoded.request if self.parsed else None

    @classmethod
    def read(cls, caller: Caller, headers: Headers, query: bytes, body: bytes) -> LegacyRequest:
        """Decode and parse a request; errors are kept, because not every route minds them."""
        return completed(cls.read_in_steps(caller, headers, query, body))

    @classmethod
    def read_in_steps(
        cls, caller: Caller, headers: Headers, query: bytes, body: bytes
    ) -> Steps[LegacyRequest]:
        """Read a request as `read` does, in steps that leave the event loop time between them."""
        parsed = dialect = problem = None
        try:
            decoded = yield from decode_in_steps(body)
            if unsent := unsent_headers(headers, caller.messages):
                decoded = msgspec.structs.replace(decoded, unsent_headers=unsent)
            parsed = yield from parse_request_in_steps(decoded)
        except InvalidCompletionRequest as exc:
            problem = exc
        try:
            dialect = dialect_of(joined(headers, b"anthropic-version"))
        except InvalidCompletionRequest as exc:
            problem = exc
        return cls(
            caller=caller,
            headers=headers,
            query=query,
            body=body,
            parsed=parsed,
            dialect=dialect,
            problem=problem,
        )
