"""
What was said, from what is kept of it; and whether it is what somebody looks for.

White space and case make no difference to that: a prompt is wrapped wherever
its author wrapped it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from proxy.traffic.content import decompress
from proxy.traffic.record import TrafficRecord


def decode_body(data: bytes) -> object:
    """What a body or its timing says: the value of its JSON, or else its text."""
    raw = decompress(data)
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw.decode(errors="replace")


def texts_of_record(record: TrafficRecord) -> Iterator[str]:
    """All words in a record; when it was is none."""
    return texts_of(dict(record.as_fields()) | {"received": None})


def texts_of(value: object) -> Iterator[str]:
    """All texts in a value of JSON, wherever they stand; names of fields are none."""
    left = [value]
    while left:
        match left.pop():
            case str(text):
                yield text
            case dict(fields):
                left.extend(fields.values())
            case list() | tuple() as items:
                left.extend(items)
            case _:
                continue


def contains_text(wanted: str, texts: Iterable[str]) -> bool:
    """Whether one of the texts has it."""
    plain = _plain(wanted)
    return any(plain in _plain(text) for text in texts)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
