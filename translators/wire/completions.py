"""
Encode completions in either dialect: compact, ASCII, keys in recorded order.

Facts: legacy-wire 2, 3 (shapes and recorded bytes) and 7.1 (errors).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import Final, Literal, TypeAlias

import msgspec

from translators.errors import UpstreamProtocolError
from translators.steps import STEP_SIZE, Steps, windows
from translators.wire.dialects import FRAME_END, Dialect

CompletionStopReason: TypeAlias = Literal["stop_sequence", "max_tokens"]

BUILTIN_STOP: Final = "\n\nHuman:"
"""The stop sequence of every request, and the value of `stop` at a natural end (legacy-wire 6)."""


class Completion(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A whole answer, or a frame of a stream."""

    id: str
    model: str
    text: str
    stop_reason: CompletionStopReason | None
    """The reason, or None in all but the last frame of a stream."""
    stop: str | None
    """The stop sequence that matched; None for `max_tokens`."""


class TextChunk(msgspec.Struct, frozen=True, gc=False):
    """Text to add to a completion."""

    text: str


class LastChunk(msgspec.Struct, frozen=True, gc=False):
    """The end of a completion, and the reason for it."""

    stop_reason: CompletionStopReason
    stop: str | None


class PingChunk(msgspec.Struct, frozen=True, gc=False):
    """A sign that the upstream is alive."""


@dataclass(frozen=True, slots=True)
class FailureChunk:
    """The end of a stream whose completion is incomplete."""

    type: str
    message: str
    status: int | None = field(default=None, compare=False)
    """HTTP status if the response can still become an error; None: the type determines it."""


CompletionChunk: TypeAlias = TextChunk | LastChunk | PingChunk | FailureChunk

PING_FRAME: Final = b'event: ping\r\ndata: {"type": "ping"}' + FRAME_END
"""The exact bytes that were recorded (legacy-wire 3.1)."""


MAX_REPEATED_BYTES: Final = 8 * 1024 * 1024
"""Limit on the text that each frame of a cumulative stream repeats; no model writes as much."""


def v1_ping_frame(moment: str) -> bytes:
    """Return a ping of 2023-01-01: a time such as `2023-04-28 21:18:31.866238`, not JSON."""
    return b"event: ping\r\ndata: " + moment.encode("ascii") + FRAME_END


def encode_completion(completion: Completion, dialect: Dialect) -> bytes:
    """Encode a whole answer."""
    text = encode_basestring_ascii(completion.text)
    values = _template_values(
        completion.id, completion.model, text, completion.stop_reason, completion.stop
    )
    return (dialect.completion % values).encode("ascii")


def encode_completion_in_steps(completion: Completion, dialect: Dialect) -> Steps[list[bytes]]:
    """Encode a whole answer in steps, like `encode_completion`; return pieces to be joined."""
    text = completion.text
    if len(text) <= STEP_SIZE:
        return [encode_completion(completion, dialect)]
    without = encode_completion(msgspec.structs.replace(completion, text=""), dialect)
    head, name, tail = without.partition(b'"completion":"')  # unique: quotes in values are escaped
    pieces = [head + name]
    for start, end in windows(len(text)):
        pieces.append(_escape(text[start:end]).encode("ascii"))
        yield
    return [*pieces, tail]


def _escape(text: str) -> str:
    """Return a text as JSON without the quotes around it."""
    return encode_basestring_ascii(text)[1:-1]


def _template_values(
    id: str,  # noqa: A002
    model: str,
    text: str,
    stop_reason: CompletionStopReason | None,
    stop: str | None,
) -> dict[str, str]:
    """Return the values for `Dialect.completion`; `text` is JSON already."""
    return {
        "id": encode_basestring_ascii(id),
        "model": encode_basestring_ascii(model),
        "text": text,
        "stop_reason": "null" if stop_reason is None else f'"{stop_reason}"',
        "stop": "null" if stop is None else encode_basestring_ascii(stop),
    }


def encode_error(kind: str, message: str, request_id: str | None) -> bytes:
    """Encode an error in the newest envelope, a superset of older ones (legacy-wire 7.1)."""
    return _compact(
        {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    )


def encode_failure(kind: str, message: str) -> bytes:
    """Encode an error frame inside a stream (legacy-wire 3.1)."""
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return b"event: error\r\ndata: " + _compact(error) + FRAME_END


class FrameEncoder:
    """Encodes the chunks of a stream; it keeps the text only in the cumulative dialect."""

    def __init__(self, dialect: Dialect, *, id: str, model: str) -> None:  # noqa: A002
        self._dialect = dialect
        self._id = id
        self._model = model
        self._text = ""  # the text so far, as JSON without quotes; cumulative dialect only
        head, _, tail = dialect.completion.partition("%(text)s")
        unended = _template_values(id, model, "", None, None)
        self._before = dialect.frame_start.decode("ascii") + head % unended
        self._after = tail % unended + FRAME_END.decode("ascii")
        self._between = self._after + self._before
        self.texts_per_step = max(1, STEP_SIZE // len(self._between))
        """Number of frames with short texts that can be encoded in a step."""

    def encode(self, chunk: CompletionChunk) -> bytes:
        """Encode a chunk as a frame; the last includes the terminator, a ping may be empty."""
        match chunk:
            case TextChunk(text=text):
                return self.encode_texts((text,))
            case LastChunk(stop_reason=stop_reason, stop=stop):
                text = f'"{self._text}"'
                values = _template_values(self._id, self._model, text, stop_reason, stop)
                body = (self._dialect.completion % values).encode("ascii")
                return self._dialect.frame_start + body + FRAME_END + self._dialect.terminator
            case PingChunk():
                return PING_FRAME if self._dialect.relays_pings else b""
            case _:
                return encode_failure(chunk.type, chunk.message)

    def encode_texts(self, texts: Iterable[str]) -> bytes:
        """
        Encode consecutive texts, each as a frame of its own.

        Raises `UpstreamProtocolError` if frames of the cumulative dialect would
        have to repeat more than MAX_REPEATED_BYTES.
        """
        quoted = map(encode_basestring_ascii, texts)
        if self._dialect.is_cumulative:
            quoted = map(self._accumulate, quoted)
        return f"{self._before}{self._between.join(quoted)}{self._after}".encode("ascii")

    def encode_long_text(self, text: str) -> Iterator[bytes]:
        """
        Encode a long text in steps, as one frame for each slice of it.

        In the cumulative dialect, slices yield empty bytes and a single frame
        follows, because each frame would repeat all before it. Raises like
        `encode_texts`.
        """
        for start, end in windows(len(text)):
            if self._dialect.is_cumulative:
                self._add(_escape(text[start:end]))
                yield b""
            else:
                yield self.encode_texts((text[start:end],))
        if self._dialect.is_cumulative:
            yield self.encode_texts(("",))

    def _accumulate(self, quoted: str) -> str:
        self._add(quoted[1:-1])
        return f'"{self._text}"'

    def _add(self, escaped: str) -> None:
        if len(self._text) + len(escaped) > MAX_REPEATED_BYTES:
            raise UpstreamProtocolError(
                f"event stream: the text is longer than {MAX_REPEATED_BYTES} bytes, which each"
                " event of anthropic-version 2023-01-01 would have to repeat"
            )
        self._text += escaped


def _compact(value: object) -> bytes:
    # ASCII only: old clients split lines at U+2028, U+0085 and others (legacy-wire 4.3), and
    # decode each network chunk separately (clients, rule 6).
    return json.dumps(value, separators=(",", ":")).encode("ascii")
