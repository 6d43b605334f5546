"""
Completions as they leave, in either dialect: compact, ASCII, keys in recorded order.

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
from translators.steps import AT_ONCE, Steps, windows
from translators.wire.dialects import FRAME_END, Dialect

CompletionStopReason: TypeAlias = Literal["stop_sequence", "max_tokens"]

BUILTIN_STOP: Final = "\n\nHuman:"
"""Always a stop sequence; also what `stop` says of a natural end (legacy-wire 6)."""


class Completion(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A whole answer, or one frame of a stream."""

    id: str
    model: str
    text: str
    stop_reason: CompletionStopReason | None
    """None only in a stream, while it goes on."""
    stop: str | None
    """The sequence that matched; None for `max_tokens`."""


class TextChunk(msgspec.Struct, frozen=True, gc=False):
    """More text of a completion that goes on."""

    text: str


class LastChunk(msgspec.Struct, frozen=True, gc=False):
    """The end of a completion, and why."""

    stop_reason: CompletionStopReason
    stop: str | None


class PingChunk(msgspec.Struct, frozen=True, gc=False):
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


MAX_REPEATED_BYTES: Final = 8 * 1024 * 1024
"""Of text, in each frame of a stream; no model writes as much."""


def v1_ping_frame(moment: str) -> bytes:
    """The ping of 2023-01-01: a time such as `2023-04-28 21:18:31.866238`, not JSON."""
    return b"event: ping\r\ndata: " + moment.encode("ascii") + FRAME_END


def encode_completion(completion: Completion, dialect: Dialect) -> bytes:
    """Spell a whole answer: compact, ASCII, keys in recorded order."""
    text = encode_basestring_ascii(completion.text)
    said = dialect.completion % _spelled(
        completion.id, completion.model, text, completion.stop_reason, completion.stop
    )
    return said.encode("ascii")


def encode_completion_in_steps(completion: Completion, dialect: Dialect) -> Steps[list[bytes]]:
    """Pieces that make up what `encode_completion` makes of a whole answer in one."""
    text = completion.text
    if len(text) <= AT_ONCE:
        return [encode_completion(completion, dialect)]
    without = encode_completion(msgspec.structs.replace(completion, text=""), dialect)
    head, name, tail = without.partition(b'"completion":"')  # a quote in another text is escaped
    pieces = [head + name]
    for start, end in windows(len(text)):
        pieces.append(_spelled_part(text[start:end]).encode("ascii"))
        yield
    return [*pieces, tail]


def _spelled_part(text: str) -> str:
    """The inside of a JSON string."""
    return encode_basestring_ascii(text)[1:-1]


def _spelled(
    id: str,  # noqa: A002
    model: str,
    text: str,
    stop_reason: CompletionStopReason | None,
    stop: str | None,
) -> dict[str, str]:
    """What is filled into `Dialect.completion`; the text is JSON already."""
    return {
        "id": encode_basestring_ascii(id),
        "model": encode_basestring_ascii(model),
        "text": text,
        "stop_reason": "null" if stop_reason is None else f'"{stop_reason}"',
        "stop": "null" if stop is None else encode_basestring_ascii(stop),
    }


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
        self._said = ""  # so far, as the inside of a JSON string
        head, _, tail = dialect.completion.partition("%(text)s")
        unended = _spelled(id, model, "", None, None)
        self._before = dialect.frame_start.decode("ascii") + head % unended
        self._after = tail % unended + FRAME_END.decode("ascii")
        self._between = self._after + self._before
        self.at_once = max(1, AT_ONCE // len(self._between))
        """Frames of short texts that together are no longer than what is worked on in one step."""

    def encode(self, chunk: CompletionChunk) -> bytes:
        """One whole frame (the terminator belongs to the last), or nothing."""
        match chunk:
            case TextChunk(text=text):
                return self.encode_texts((text,))
            case LastChunk(stop_reason=stop_reason, stop=stop):
                text = f'"{self._said}"'
                values = _spelled(self._id, self._model, text, stop_reason, stop)
                body = (self._dialect.completion % values).encode("ascii")
                return self._dialect.frame_start + body + FRAME_END + self._dialect.terminator
            case PingChunk():
                return PING_FRAME if self._dialect.relays_pings else b""
            case _:
                return encode_failure(chunk.type, chunk.message)

    def encode_texts(self, texts: Iterable[str]) -> bytes:
        """
        The frames of so many chunks of text, one after the other.

        Raises `UpstreamProtocolError` where each would have too much to repeat.
        """
        quoted = map(encode_basestring_ascii, texts)
        if self._dialect.is_cumulative:
            quoted = map(self._with_all_before, quoted)
        return f"{self._before}{self._between.join(quoted)}{self._after}".encode("ascii")

    def encode_long_text(self, text: str) -> Iterator[bytes]:
        """
        The frames of one long chunk of text, each of a part of it.

        Where frames repeat what was said before, it is one at the end, and for
        each part there is nothing. Raises as `encode_texts` does.
        """
        for start, end in windows(len(text)):
            if self._dialect.is_cumulative:
                self._remember(_spelled_part(text[start:end]))
                yield b""
            else:
                yield self.encode_texts((text[start:end],))
        if self._dialect.is_cumulative:
            yield self.encode_texts(("",))

    def _with_all_before(self, quoted: str) -> str:
        self._remember(quoted[1:-1])
        return f'"{self._said}"'

    def _remember(self, spelled: str) -> None:
        if len(self._said) + len(spelled) > MAX_REPEATED_BYTES:
            raise UpstreamProtocolError(
                f"event stream: the text takes more than {MAX_REPEATED_BYTES} bytes, all of which"
                " each event would repeat in anthropic-version 2023-01-01"
            )
        self._said += spelled


def _compact(value: object) -> bytes:
    # ASCII only: old clients split lines at U+2028, U+0085 and others (legacy-wire 4.3), and
    # decode each network chunk by itself (clients, rule 6).
    return json.dumps(value, separators=(",", ":")).encode("ascii")
