"""
Completions as a legacy upstream sends them, read for what they say.

Only to compare answers: what is forwarded is passed on as it is. Facts:
legacy-wire 2 (whole answers) and 3 (streams of either dialect).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from translators.errors import UpstreamProtocolError
from translators.steps import completed
from translators.wire.dialects import Dialect
from translators.wire.long_json import UNREADABLE, read_json
from translators.wire.sse import SSEDecoder


@dataclass(frozen=True, slots=True)
class ReadCompletion:
    """What a legacy answer said."""

    text: str
    stop_reason: str


class _Error(msgspec.Struct, frozen=True):
    type: str = ""


class _Frame(msgspec.Struct, frozen=True):
    completion: str | None = None
    stop_reason: str | None = None
    error: _Error | None = None


_AT_A_TIME: Final = 64 * 1024
_FRAME: Final = msgspec.json.Decoder(_Frame)


def read_completion(body: bytes) -> ReadCompletion:
    """Read a whole answer; raise `UpstreamProtocolError` where it is none."""
    return _end(_decode(body), "")


def read_completion_stream(body: bytes, dialect: Dialect) -> ReadCompletion:
    """Read all bytes of a stream; raise `UpstreamProtocolError` where it did not end well."""
    texts: list[str] = []
    for data in _events(body):
        if not data.startswith(b"{"):
            continue  # the old dialect's ping and its `[DONE]`
        frame = _decode(data)
        if frame.error is not None:
            break
        if frame.completion:
            if dialect.is_cumulative:
                texts.clear()
            texts.append(frame.completion)
        if frame.stop_reason is not None:
            return _end(frame, "".join(texts))
    raise UpstreamProtocolError("the stream has no end")


def _events(body: bytes) -> Iterator[bytes]:
    """A few at a time: apart, they take several times as much memory as together."""
    decoder = SSEDecoder()
    for start in range(0, len(body), _AT_A_TIME):
        yield from decoder.feed(body[start : start + _AT_A_TIME])


def _decode(data: bytes) -> _Frame:
    try:
        return completed(read_json(data, _FRAME.decode))[0]
    except UNREADABLE as exc:
        raise UpstreamProtocolError(f"not a completion: {exc}") from exc


def _end(frame: _Frame, text: str) -> ReadCompletion:
    if frame.stop_reason is None:
        raise UpstreamProtocolError("a completion without its end")
    return ReadCompletion(text or frame.completion or "", frame.stop_reason)
