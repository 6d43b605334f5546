"""
Decode the completions of a legacy upstream, in order to compare answers.

Forwarded answers do not pass through here; the client gets them unchanged.
Facts: legacy-wire 2 (whole answers) and 3 (streams of either dialect).
"""

from __future__ import annotations

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
    """Text and stop reason of a legacy answer."""

    text: str
    stop_reason: str


class _Error(msgspec.Struct, frozen=True):
    type: str = ""


class _Frame(msgspec.Struct, frozen=True):
    completion: str | None = None
    stop_reason: str | None = None
    error: _Error | None = None


_FRAME: Final = msgspec.json.Decoder(_Frame)


def read_completion(body: bytes) -> ReadCompletion:
    """Decode a whole answer; raise `UpstreamProtocolError` if it is not valid."""
    return _end(_decode(body), "")


def read_completion_stream(body: bytes, dialect: Dialect) -> ReadCompletion:
    """Decode all bytes of a stream; raise `UpstreamProtocolError` if it has no proper end."""
    texts: list[str] = []
    for data in SSEDecoder().feed_whole(body):
        if not data.startswith(b"{"):
            continue  # the ping or `[DONE]` of 2023-01-01
        frame = _decode(data)
        if frame.error is not None:
            break
        if frame.completion:
            if dialect.is_cumulative:
                texts.clear()
            texts.append(frame.completion)
        if frame.stop_reason is not None:
            return _end(frame, "".join(texts))
    raise UpstreamProtocolError("completion: the stream ended without a stop reason")


def _decode(data: bytes) -> _Frame:
    try:
        return completed(read_json(data, _FRAME.decode))[0]
    except UNREADABLE as exc:
        raise UpstreamProtocolError(f"completion: {exc}") from exc


def _end(frame: _Frame, text: str) -> ReadCompletion:
    if frame.stop_reason is None:
        raise UpstreamProtocolError("completion: stop_reason is missing")
    return ReadCompletion(text or frame.completion or "", frame.stop_reason)
