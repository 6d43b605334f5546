"""A legacy completion request, decoded as far as that is possible."""

from __future__ import annotations

import msgspec

from proxy.headers import Headers, joined
from proxy.security.keyring import Caller
from proxy.security.redaction import HiddenRepr
from proxy.upstream.request_headers import unsent_headers
from translators import (
    DecodedRequest,
    Dialect,
    InvalidCompletionRequest,
    Steps,
    completed,
    decode_in_steps,
    dialect_of,
)


class LegacyRequest(HiddenRepr, frozen=True, kw_only=True):
    """A completion request: its raw bytes, and what could be decoded of them."""

    caller: Caller
    headers: Headers
    query: bytes
    body: bytes
    decoded: DecodedRequest | None
    dialect: Dialect | None
    problem: InvalidCompletionRequest | None
    """The error that keeps the request from being translated; it may still be forwarded."""

    @classmethod
    def read(cls, caller: Caller, headers: Headers, query: bytes, body: bytes) -> LegacyRequest:
        """Decode a request; errors are kept in `problem`, because not every route minds them."""
        return completed(cls.read_in_steps(caller, headers, query, body))

    @classmethod
    def read_in_steps(
        cls, caller: Caller, headers: Headers, query: bytes, body: bytes
    ) -> Steps[LegacyRequest]:
        """Decode a request as `read` does, in steps that leave the event loop time between them."""
        decoded = dialect = problem = None
        try:
            decoded = yield from decode_in_steps(body)
            if unsent := unsent_headers(headers, caller.messages):
                decoded = msgspec.structs.replace(decoded, unsent_headers=unsent)
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
            decoded=decoded,
            dialect=dialect,
            problem=problem,
        )
