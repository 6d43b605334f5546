"""The answers of an upstream, as bytes: whole ones and streams, in each framing of HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.matrix.case import TEXT

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 5},
}
WHOLE = json.dumps(MESSAGE, ensure_ascii=False).encode()
JSON, SSE = b"content-type: application/json\r\n", b"content-type: text/event-stream\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


def event(**data: object) -> bytes:
    """One event of a stream."""
    said = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {data['type']}\ndata: {said}\n\n".encode()


def delta(text: str) -> bytes:
    """The event that brings a piece of text."""
    return event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": text})


START = (
    event(type="message_start", message=MESSAGE | {"content": [], "stop_reason": None}),
    event(type="content_block_start", index=0, content_block={"type": "text", "text": ""}),
)
DELTAS = (delta(TEXT[:3]), event(type="ping"), delta(TEXT[3:]))
END = (
    event(type="content_block_stop", index=0),
    event(
        type="message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": 5},
    ),
    event(type="message_stop"),
)
STREAM = (*START, *DELTAS, *END)


@dataclass(frozen=True)
class Framed:
    """A response in full, and the offset from which on its content is complete."""

    data: bytes
    complete_at: int


def head(kind: bytes, *lines: bytes, start: bytes = OK) -> bytes:
    """The head of a response."""
    return start + kind + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def with_length(kind: bytes, content: Sequence[bytes]) -> Framed:
    """Its length is said in its head: what is shorter is not whole, whatever it says."""
    joined = b"".join(content)
    data = head(kind, b"content-length: %d" % len(joined)) + joined
    return Framed(data, _complete_at(data, len(data)))


def chunked(kind: bytes, content: Sequence[bytes]) -> Framed:
    """Each piece is a chunk."""
    data = head(kind, b"transfer-encoding: chunked") + b"".join(map(chunk, content))
    return Framed(data + b"0\r\n\r\n", _complete_at(data, len(data) - len(b"\r\n")))


def until_closed(kind: bytes, content: Sequence[bytes]) -> Framed:
    """It ends with the connection."""
    data = head(kind, b"connection: close") + b"".join(content)
    return Framed(data, _complete_at(data, len(data)))


def _complete_at(data: bytes, otherwise: int) -> int:
    """A stream has said all that matters when its stop reason has come."""
    before = data.find(END[1])
    return otherwise if before < 0 else before + len(END[1]) - len(b"\n\n")


FRAMINGS = {"with its length": with_length, "in chunks": chunked, "until closed": until_closed}
CONTENTS = {False: (JSON, (WHOLE,)), True: (SSE, STREAM)}
"""By whether a stream was asked for."""


def good(*, is_stream: bool) -> bytes:
    """An answer without a fault, after which the connection can be used again."""
    return with_length(*CONTENTS[is_stream]).data
