"""
Assemble recorded streams into whole answers, with the time of each event.

Nothing is validated: streams that break off or end in an error are assembled
as far as they go. Facts: messages-wire 3, legacy-wire 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, cast

import msgspec

from translators.wire.sse import SSEDecoder

_Object: TypeAlias = dict[str, object]
TimedPiece: TypeAlias = tuple[float, bytes]
"""A time of arrival in any unit, and the bytes that arrived."""

_MAX_BLOCKS: Final = 1_000_000
# The type of a delta determines the field that it extends (messages-wire 3.2).
_DELTA_FIELDS: Final[Mapping[str, str]] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


@dataclass(frozen=True, slots=True)
class Reassembled:
    """A stream as a whole answer."""

    whole: Mapping[str, object]
    timing: tuple[tuple[float, str, int], ...]
    """Time, name and number of characters of text of each event."""


def reassemble_message(pieces: Iterable[TimedPiece]) -> Reassembled:
    """Assemble a Messages stream into a message, with an `error` field if it had an error event."""
    return _reassemble(pieces, _MessageAssembler())


def reassemble_completion(pieces: Iterable[TimedPiece], *, is_cumulative: bool) -> Reassembled:
    """Assemble a legacy stream into a completion, with an `error` field if it had an error."""
    return _reassemble(pieces, _CompletionAssembler(is_cumulative=is_cumulative))


class _Assembler(Protocol):
    def add(self, event: _Object) -> int:
        """Add an event; return the number of characters of text in it."""
        ...

    def whole(self) -> _Object:
        """Return the answer that all events make up."""
        ...


def _reassemble(pieces: Iterable[TimedPiece], assembler: _Assembler) -> Reassembled:
    timing: list[tuple[float, str, int]] = []
    decoder = SSEDecoder()
    events = ((moment, data) for moment, piece in pieces for data in decoder.feed_whole(piece))
    for moment, data in events:
        try:
            event = msgspec.json.decode(data, type=_Object)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # The ping and the `[DONE]` of 2023-01-01 are not JSON, either.
            timing.append((moment, "unreadable", 0))
            continue
        name = event.get("type", "completion")
        characters = assembler.add(event)
        timing.append((moment, name if isinstance(name, str) else "unreadable", characters))
    return Reassembled(assembler.whole(), tuple(timing))


class _CompletionAssembler:
    def __init__(self, *, is_cumulative: bool) -> None:
        self._is_cumulative = is_cumulative
        self._fields: _Object = {}
        self._texts: list[str] = []

    def add(self, event: _Object) -> int:
        text = event.get("completion")
        if not isinstance(text, str):
            if "error" in event:
                self._fields["error"] = event["error"]
            return 0
        self._fields.update(event)
        before = len(self._texts[-1]) if self._is_cumulative and self._texts else 0
        if self._is_cumulative and text:
            self._texts.clear()
        if text or not self._is_cumulative:
            self._texts.append(text)
        return max(len(text) - before, 0)

    def whole(self) -> _Object:
        return self._fields | ({"completion": "".join(self._texts)} if self._texts else {})


class _MessageAssembler:
    def __init__(self) -> None:
        self._fields: _Object = {}
        self._blocks: dict[int | None, _Object] = {}
        self._usage: _Object = {}
        self._added: dict[tuple[int | None, str], list[str]] = {}

    def add(self, event: _Object) -> int:
        match event.get("type"):
            case "message_start":
                self._fields.update(_object_field(event, "message"))
            case "content_block_start":
                self._blocks[_block_index(event)] = _object_field(event, "content_block")
            case "content_block_delta":
                return self._add_delta(_block_index(event), _object_field(event, "delta"))
            case "message_delta":
                self._fields.update(_object_field(event, "delta"))
                self._usage.update(_object_field(event, "usage"))
            case "error":
                self._fields["error"] = event.get("error")
            case _:
                pass
        return 0

    def _add_delta(self, index: int | None, delta: _Object) -> int:
        kind = delta.get("type")
        field = _DELTA_FIELDS.get(kind, "") if isinstance(kind, str) else ""
        text = delta.get(field)
        if not isinstance(text, str):
            return 0
        self._added.setdefault((index, field), []).append(text)
        return len(text)

    def whole(self) -> _Object:
        for (index, field), texts in self._added.items():
            block = self._blocks.setdefault(index, {})
            block[field] = "".join([str(block.get(field) or ""), *texts])
        fields = self._fields
        if self._usage:
            fields = fields | {"usage": _object_field(fields, "usage") | self._usage}
        return fields | ({"content": list(self._blocks.values())} if self._blocks else {})


def _block_index(event: _Object) -> int | None:
    """Return the index of the block that an event belongs to, or None if it is not plausible."""
    index = event.get("index")
    # Large integers could be chosen so that their hashes collide, which makes a dictionary slow.
    return index if isinstance(index, int) and 0 <= index < _MAX_BLOCKS else None


def _object_field(event: _Object, name: str) -> _Object:
    """Return the object in a field, or an empty one if the field has no object."""
    value = event.get(name)
    return cast("_Object", value) if isinstance(value, dict) else {}
