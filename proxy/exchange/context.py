"""
State of one exchange, filled in while the request is answered.

The record, the log line and the headers of the response are all read off this
one object, so they agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from proxy.error_app import new_request_id
from proxy.headers import Headers, first
from proxy.outcome import Outcome
from proxy.rollout import Decision
from proxy.rollout.rule_schema import Action, Capture
from proxy.security.credentials import secrets_in
from proxy.security.keyring import Caller
from proxy.security.redaction import Redacted, Redactor
from proxy.timestamps import to_milliseconds
from proxy.trace_context import remote_span
from proxy.traffic import BodyCapture
from translators import (
    CompletionRequest,
    CompletionStopReason,
    Dialect,
    Features,
    Plan,
    TranslatedError,
    Usage,
)

if TYPE_CHECKING:
    from proxy.observability.spans import ExchangeSpans

_MAX_COMPARED_BYTES: Final = 32 * 1024 * 1024
"""Longest answer kept for a comparison: the longest one of a model fits, repeated in each frame."""
_WORTH_SAYING_SECONDS: Final = 0.001
_NOTHING_USED: Final = Usage()
_API_CONTENT_TYPES: Final = (b"application/json", b"text/event-stream")


class ExchangeContext(msgspec.Struct, kw_only=True):
    """State of one exchange, in the order in which it becomes known; one task writes it."""

    path: str
    headers: Headers
    query: bytes = b""
    logged_peer: str | None = None
    """Address that the connection came from, if the operator wants it in the log."""
    id: str = msgspec.field(default_factory=new_request_id)
    started: float = msgspec.field(default_factory=time.perf_counter)
    received: float = msgspec.field(default_factory=time.time)

    spans: ExchangeSpans | None = None
    """The spans of the exchange, if it is traced."""
    waited: float = 0.0
    """Seconds that the exchange has waited for its turn."""
    caller: Caller | None = None
    dialect: Dialect | None = None
    request_bytes: int = 0
    request: CompletionRequest | None = None
    features: Features | None = None

    decision: Decision | None = None
    route: Action | None = None
    """The route that answered, or that was tried last."""
    first_failure: str | None = None
    """The error of the first route (`529 overloaded_error`), if the fallback was tried."""
    first_lacked_model: bool = False
    """True if the first route failed because the client's model does not exist there."""
    plan: Plan | None = None

    response_headers: Headers = []
    """The headers of the upstream's response."""
    answered: float | None = None
    """Arrival of the head of the upstream's response, by `time.perf_counter`."""
    first_token: float | None = None
    answered_model: str | None = None
    upstream_stop_reason: str | None = None
    stop_reason: CompletionStopReason | None = None
    usage: Usage = _NOTHING_USED

    status: int | None = None
    first_byte: float | None = None
    """Start of the response to the client, by `time.perf_counter`; no other can start after it."""
    reply_bytes: int = 0
    ending: Outcome = Outcome.ANSWERED
    """The outcome so far, as if the client stayed until the end."""
    error: TranslatedError | None = None
    failure: str | None = None
    """Description of what went wrong, in Holdover's own words."""
    client_gone: bool = False

    is_finalized: bool = False
    """True once the record is written."""
    answer_copy: list[bytes] | None = None
    """The answer, if a shadow will be compared with it: its text if translated, else raw bytes."""
    capture: BodyCapture | None = None
    """The bodies, if the operator wants them kept."""
    _answer_copy_bytes: int = 0

    @property
    def outcome(self) -> Outcome:
        """The outcome; a client that left did not see how else the exchange would have ended."""
        return Outcome.CLIENT_GONE if self.client_gone else self.ending

    @property
    def log_only(self) -> dict[str, object]:
        """Fields of the log line that the record does not have."""
        fields: dict[str, object] = {}
        if self.spans is not None:
            fields |= self.spans.log_fields
        elif (client := remote_span(self.headers)) is not None:
            fields["trace_id"] = client.trace_id
        if self.logged_peer is not None:
            fields["peer"] = self.logged_peer
        if self.waited >= _WORTH_SAYING_SECONDS:
            fields["waited_ms"] = round(self.waited * 1000, 3)
        return fields

    @property
    def request_id(self) -> str:
        """The upstream's request id if it gave one, else Holdover's."""
        given = first(self.response_headers, b"request-id")
        return given.decode("latin-1") if given else self.id

    @property
    def received_text(self) -> str:
        """Arrival of the request's head: ISO 8601, UTC."""
        return to_milliseconds(self.received)

    @property
    def streams(self) -> bool:
        """True if the client asked for a stream."""
        return bool(self.request and self.request.stream)

    @property
    def lacked_model(self) -> bool:
        """True if the decided route failed because the client's model does not exist there."""
        if self.first_failure is not None:
            return self.first_lacked_model
        return self._lacks_model(self.error.status if self.error else None)

    def begin_capture(self, level: Capture, body: bytes) -> None:
        """Keep the bodies from now on, as far as the operator wants that."""
        if level != "off":
            self.capture = BodyCapture(level=level, started=self.started, legacy_in=body)

    def begin_attempt(self, action: Action) -> None:
        """Forget the answer of an earlier route; the request and the decision stay."""
        self.route, self.plan = action, None
        self.response_headers, self.answered, self.first_token = [], None, None
        self.answered_model = self.upstream_stop_reason = self.stop_reason = None
        self.usage, self.failure = _NOTHING_USED, None
        if self.answer_copy is not None:
            self.answer_copy, self._answer_copy_bytes = [], 0
        if self.capture is not None:
            translated_stream = action == "translate" and self.streams
            repeats = self.dialect is not None and self.dialect.is_cumulative
            self.capture.begin_attempt(repeats=translated_stream and repeats)

    def set_response(self, headers: Headers) -> None:
        """Note that the upstream answers with these headers."""
        self.response_headers, self.answered = headers, time.perf_counter()

    def set_first_failure(self, error: TranslatedError, detail: str | None) -> None:
        """Note that the first route failed with this error and the fallback is tried."""
        reason = f": {detail}" if detail else ""
        self.first_failure = f"{error.status} {error.type}{reason}"
        self.first_lacked_model = self._lacks_model(error.status)
        if self.spans is not None:
            self.spans.requests.end_latest(error.type)

    def fail(self, ending: Outcome, error: TranslatedError) -> None:
        """Note that the client is told this error."""
        self.ending, self.error = ending, error

    def begin_response(self, status: int) -> None:
        """Note that the response to the client begins now, with this status."""
        self.status, self.first_byte = status, time.perf_counter()

    def mark_first_token(self) -> None:
        """Note that the first text of the answer is here."""
        self.first_token = time.perf_counter()

    def keep_answer(self, piece: bytes) -> None:
        """Keep a piece of the answer if it will be compared; drop all if it grows too long."""
        if self.answer_copy is not None:
            self.answer_copy.append(piece)
            self._answer_copy_bytes += len(piece)
            if self._answer_copy_bytes > _MAX_COMPARED_BYTES:
                self.answer_copy = None

    def hiding(self, redactor: Redactor) -> Callable[[str], Redacted]:
        """Return a function that redacts a text, including the keys of this exchange."""
        return redactor.hiding(self.keys())

    def keys(self) -> list[str]:
        """Return the secrets that this exchange carries: the client's and the upstream's."""
        keys = secrets_in(self.headers)
        if self.caller is not None:
            keys += self.caller.held_secrets
        return [key.decode("latin-1") for key in keys]

    def _lacks_model(self, status: int | None) -> bool:
        """Return True if the API itself, and no web server before it, does not know the model."""
        is_chosen_here = self.plan is not None and self.plan.sent_model != self.plan.asked_model
        content_type = first(self.response_headers, b"content-type") or b""
        is_of_the_api = content_type.lower().startswith(_API_CONTENT_TYPES)
        return status == HTTPStatus.NOT_FOUND and is_of_the_api and not is_chosen_here
