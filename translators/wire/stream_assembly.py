"""
Streams as the whole answers they come to: what evidence keeps of them, and when each part came.

Nothing is judged: whatever a stream says is taken up, also where it breaks
off or ends in an error. Facts: messages-wire 3, legacy-wire 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, cast

import msgspec

from translators.wire.sse import SSEDecoder

_Object: TypeAlias = dict[str, object]
TimedPiece: TypeAlias = tuple[float, bytes]
"""When it came, and what."""

_AT_A_TIME: Final = 64 * 1024
_MAX_BLOCKS: Final = 1_000_000
# A delta says which of a block's fields grows (messages-wire 3.2).
_GROWING: Final[Mapping[str, str]] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


@dataclass(frozen=True, slots=True)
class Reassembled:
    """What a stream comes to."""

    whole: Mapping[str, object]
    timing: tuple[tuple[float, str, int], ...]
    """Of each event: when it came, its name, and how many characters of text it brought."""


def reassemble_message(pieces: Iterable[TimedPiece]) -> Reassembled:
    """A Messages stream as a message; with an `error` if it said one."""
    return _reassemble(pieces, _Message())


def reassemble_completion(pieces: Iterable[TimedPiece], *, is_cumulative: bool) -> Reassembled:
    """A legacy stream of either dialect as a completion; with an `error` if it said one."""
    return _reassemble(pieces, _Completion(is_cumulative=is_cumulative))


class _Growing(Protocol):
    def take(self, event: _Object) -> int:
        """Take an event up; return how many characters it brought."""
        ...

    def whole(self) -> _Object:
        """What all of them come to."""
        ...


def _reassemble(pieces: Iterable[TimedPiece], growing: _Growing) -> Reassembled:
    timing: list[tuple[float, str, int]] = []
    for moment, data in _events(pieces):
        event = _object(data)
        characters = 0 if event is None else growing.take(event)
        name = None if event is None else event.get("type", "completion")
        timing.append((moment, name if isinstance(name, str) else "unreadable", characters))
    return Reassembled(growing.whole(), tuple(timing))


def _events(pieces: Iterable[TimedPiece]) -> Iterator[TimedPiece]:
    decoder = SSEDecoder()
    for moment, piece in pieces:
        for start in range(0, len(piece), _AT_A_TIME):
            for data in decoder.feed(piece[start : start + _AT_A_TIME]):
                yield moment, data


def _object(data: bytes) -> _Object | None:
    """None: the old dialect's ping and its `[DONE]`, or what nobody can read."""
    try:
        return msgspec.json.decode(data, type=_Object)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Completion:
    def __init__(self, *, is_cumulative: bool) -> None:
        self._is_cumulative = is_cumulative
        self._fields: _Object = {}
        self._texts: list[str] = []

    def take(self, event: _Object) -> int:
        said = event.get("completion")
        if not isinstance(said, str):
            self._fields.update({name: event[name] for name in ("error",) if name in event})
            return 0
        self._fields.update(event)
        before = len(self._texts[-1]) if self._is_cumulative and self._texts else 0
        if self._is_cumulative and said:
            self._texts.clear()
        if said or not self._is_cumulative:
            self._texts.append(said)
        return max(len(said) - before, 0)

    def whole(self) -> _Object:
        return self._fields | ({"completion": "".join(self._texts)} if self._texts else {})


class _Message:
    def __init__(self) -> None:
        self._fields: _Object = {}
        self._blocks: dict[int | None, _Object] = {}
        self._usage: _Object = {}
        self._said: dict[tuple[int | None, str], list[str]] = {}

    def take(self, event: _Object) -> int:
        match event.get("type"):
            case "message_start":
                self._fields.update(_fields(event, "message"))
            case "content_block_start":
                self._blocks[_index(event)] = _fields(event, "content_block")
            case "content_block_delta":
                return self._grow(_index(event), _fields(event, "delta"))
            case "message_delta":
                self._fields.update(_fields(event, "delta"))
                self._usage.update(_fields(event, "usage"))
            case "error":
                self._fields["error"] = event.get("error")
            case _:
                pass
        return 0

    def _grow(self, index: int | None, delta: _Object) -> int:
        kind = delta.get("type")
        field = _GROWING.get(kind, "") if isinstance(kind, str) else ""
        said = delta.get(field)
        if not isinstance(said, str):
            return 0
        self._said.setdefault((index, field), []).append(said)
        return len(said)

    def whole(self) -> _Object:
        for (index, field), said in self._said.items():
            block = self._blocks.setdefault(index, {})
            block[field] = "".join([str(block.get(field) or ""), *said])
        fields = self._fields
        if self._usage:
            fields = fields | {"usage": _fields(fields, "usage") | self._usage}
        return fields | ({"content": list(self._blocks.values())} if self._blocks else {})


def _index(event: _Object) -> int | None:
    """Which block an event is about; None where that is no number, or one beyond all measure."""
    index = event.get("index")
    # Numbers of any size can be chosen so that all of them are one to a dictionary.
    return index if isinstance(index, int) and 0 <= index < _MAX_BLOCKS else None


def _fields(event: _Object, name: str) -> _Object:
    """Those of an object in another; none where it is no object."""
    value = event.get(name)
    return cast("_Object", value) if isinstance(value, dict) else {}
