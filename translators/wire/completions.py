"""
Completions as they leave, in either dialect: compact, ASCII, keys in recorded order.

Facts: legacy-wire 2, 3 (shapes and recorded bytes) and 7.1 (errors).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import Final, Literal, TypeAlias

from translators.wire.versions import FRAME_END, Dialect

CompletionStopReason: TypeAlias = Literal["stop_sequence", "max_tokens"]

BUILTIN_STOP: Final = "\n\nHuman:"
"""Always a stop sequence; also what `stop` says of a natural end (legacy-wire 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole answer, or one frame of a stream."""

    id: str
    model: str
    text: str
    stop_reason: CompletionStopReason | None
    """None only in a stream, while it goes on."""
    stop: str | None
    """The sequence that matched; None for `max_tokens`."""


@dataclass(frozen=True, slots=True)
class TextChunk:
    """More text of a completion that goes on."""

    text: str


@dataclass(frozen=True, slots=True)
class LastChunk:
    """The end of a completion, and why."""

    stop_reason: CompletionStopReason
    stop: str | None


@dataclass(frozen=True, slots=True)
class PingChunk:
    """The upstream is alive and has nothing to say."""


@dataclass(frozen=True, slots=True)
class FailureChunk:
    """The stream ends here and the completion is not whole."""

    type: str
    message: str
    status: int | None = field(default=None, compare=False)
    """Of the HTTP error it can still become, where the type does not say it."""


CompletionChunk: TypeAlias = TextChunk | LastChunk | PingChunk | FailureChunk

PING_FRAME: Final = b'event: ping\r\ndata: {"type": "ping"}' + FRAME_END
"""To the byte as recorded, space and all (legacy-wire 3.1)."""


def v1_ping_frame(moment: str) -> bytes:
    """The ping of 2023-01-01: a time such as `2023-04-28 21:18:31.866238`, not JSON."""
    return b"event: ping\r\ndata: " + moment.encode("ascii") + FRAME_END


def encode_completion(completion: Completion, dialect: Dialect) -> bytes:
    """Spell a whole answer: compact, ASCII, keys in recorded order."""
    values = {
        "type": "completion",
        "id": completion.id,
        "completion": completion.text,
        "stop_reason": completion.stop_reason,
        "model": completion.model,
        "stop": completion.stop,
        "log_id": completion.id,
        "truncated": False,
        "exception": None,
    }
    return _compact({key: values[key] for key in dialect.keys})


def encode_error(kind: str, message: str, request_id: str | None) -> bytes:
    """Spell an error body in the newest envelope, a superset of older ones (legacy-wire 7.1)."""
    return _compact(
        {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    )


def encode_failure(kind: str, message: str) -> bytes:
    """Spell an error that comes in the middle of a stream (legacy-wire 3.1)."""
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return b"event: error\r\ndata: " + _compact(error) + FRAME_END


class FrameEncoder:
    """Spell the chunks of one stream; only the cumulative dialect makes it remember text."""

    def __init__(self, dialect: Dialect, *, id: str, model: str) -> None:  # noqa: A002
        self._dialect = dialect
        self._id = id
        self._model = model
        self._escaped = bytearray()
        before, after = self._frame("", None, None).split(_EMPTY_TEXT)
        self._before_text, self._after_text = before + _EMPTY_TEXT[:-1], b'"' + after

    def encode(self, chunk: CompletionChunk) -> bytes:
        """One whole frame (the terminator belongs to the last), or nothing."""
        match chunk:
            case TextChunk(text=text):
                return self._before_text + self._escape(text) + self._after_text
            case LastChunk(stop_reason=stop_reason, stop=stop):
                text = self._escaped.decode("ascii")
                return self._frame(text, stop_reason, stop) + self._dialect.terminator
            case PingChunk():
                return PING_FRAME if self._dialect.relays_pings else b""
            case _:
                return encode_failure(chunk.type, chunk.message)

    def _escape(self, text: str) -> bytes:
        escaped = encode_basestring_ascii(text)[1:-1].encode("ascii")
        if not self._dialect.is_cumulative:
            return escaped
        self._escaped += escaped
        return bytes(self._escaped)

    def _frame(
        self, escaped: str, stop_reason: CompletionStopReason | None, stop: str | None
    ) -> bytes:
        completion = Completion(
            id=self._id, model=self._model, text="", stop_reason=stop_reason, stop=stop
        )
        body = encode_completion(completion, self._dialect)
        text = _EMPTY_TEXT[:-1] + escaped.encode("ascii") + b'"'
        return self._dialect.frame_start + body.replace(_EMPTY_TEXT, text) + FRAME_END


# Inside a JSON string every quote is escaped, so this stands in a body once: at its own key.
_EMPTY_TEXT: Final = b'"completion":""'


def _compact(value: object) -> bytes:
    # ASCII only: old clients split lines at U+2028, U+0085 and others (legacy-wire 4.3), and
    # decode each network chunk by itself (clients, rule 6).
    return json.dumps(value, separators=(",", ":")).encode("ascii")
