"""
What is known of one exchange so far: notes on the way in, a record at the end.

The only value in here that changes. Everything the record, the log line and
the headers of the reply say is read from it, so they agree.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from proxy.failures import Blame
from proxy.headers import Headers, first, joined, passed_down
from proxy.redaction import CallerDigest
from proxy.traffic import TrafficRecord, detect_sdk
from translators import (
    CompletionStopReason,
    Dialect,
    Plan,
    TranslatedError,
    Usage,
)

_HEADER_LENGTH = 1024
"""Of the headers we add: far below what any client refuses."""
_WORD_LENGTH = 256


def _new_id() -> str:
    return f"req_{secrets.token_hex(12)}"


@dataclass(slots=True, kw_only=True)
class Notes:
    """Notes on one exchange, in the order in which they are learnt."""

    path: str
    headers: Headers
    id: str = field(default_factory=_new_id)
    started: float = field(default_factory=time.perf_counter)
    caller: CallerDigest | None = None
    dialect: Dialect | None = None
    request_bytes: int = 0
    plan: Plan | None = None
    answer_headers: Headers = field(default_factory=list)
    answered_model: str | None = None
    upstream_stop_reason: str | None = None
    stop_reason: CompletionStopReason | None = None
    usage: Usage = field(default_factory=Usage)
    status: int | None = None
    first_byte: float | None = None
    error: TranslatedError | None = None
    failure: str | None = None
    """What went wrong, where it is we who say so."""
    blame: Blame = Blame.NOBODY
    client_gone: bool = False

    @property
    def request_id(self) -> str:
        """Of upstream, if it gave one; else ours."""
        given = first(self.answer_headers, b"request-id")
        return given.decode("latin-1") if given else self.id

    def begin_reply(self, status: int) -> Headers:
        """Note that the reply begins now; return its headers."""
        self.status, self.first_byte = status, time.perf_counter()
        headers = passed_down(self.answer_headers)
        if first(headers, b"request-id") is None:
            headers.append((b"request-id", self.id.encode()))
        for name, value in (
            (b"holdover-adjustments", ", ".join(self._adjustments())),
            (b"holdover-model", self.answered_model),
            (b"holdover-stop-reason", self.upstream_stop_reason),
        ):
            if value:
                headers.append((name, _header_value(value)))
        return headers

    def record(self) -> TrafficRecord:
        """What is kept of it."""
        plan = self.plan
        return TrafficRecord(
            id=self.id,
            request_id=self.request_id,
            path=self.path[:_WORD_LENGTH],
            caller=self.caller,
            user_agent=_short(joined(self.headers, b"user-agent")),
            sdk=_short(detect_sdk(self.headers)),
            version=_short(joined(self.headers, b"anthropic-version")),
            dialect=self.dialect.version if self.dialect else None,
            streamed=plan.is_streamed if plan else False,
            asked_model=_short(plan.asked_model) if plan else None,
            sent_model=_short(plan.sent_model) if plan else None,
            answered_model=self.answered_model,
            adjustments=self._adjustments(),
            status=self.status,
            stop_reason=self.stop_reason,
            upstream_stop_reason=self.upstream_stop_reason,
            error_type=self.error.type if self.error else None,
            failure=self.failure,
            blame=self.blame,
            client_gone=self.client_gone,
            input_tokens=self.usage.input_tokens,
            output_tokens=self.usage.output_tokens,
            request_bytes=self.request_bytes,
            first_byte_ms=None if self.first_byte is None else self._since(self.first_byte),
            total_ms=self._since(time.perf_counter()),
        )

    def _adjustments(self) -> tuple[str, ...]:
        if self.plan is None:
            return ()
        return tuple(dict.fromkeys(kind.kind.value for kind in self.plan.adjustments))

    def _since(self, moment: float) -> float:
        return round((moment - self.started) * 1000, 3)


def _short(word: str | None) -> str | None:
    """A client may call itself, or a model, whatever it likes; a line of the log is a line."""
    return word and word[:_WORD_LENGTH]


def _header_value(text: str) -> bytes:
    # Upstream's own words, which need not be fit for a header.
    printable = "".join(c if " " <= c <= "~" else "?" for c in text[:_HEADER_LENGTH])
    return printable.encode("ascii")
