"""
Full-text search in records and kept bodies.

Case and white space are ignored, because the same prompt may be wrapped in different places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from proxy.traffic.content import decompress
from proxy.traffic.record import TrafficRecord


def decode_body(data: bytes) -> object:
    """Return the decoded JSON of a compressed body or timing, or its text if it is not JSON."""
    raw = decompress(data)
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw.decode(errors="replace")


def texts_of_record(record: TrafficRecord) -> Iterator[str]:
    """Yield all texts in a record except its time."""
    return texts_of(dict(record.as_fields()) | {"received": None})


def texts_of(value: object) -> Iterator[str]:
    """Yield all texts in a JSON value, at any depth; names of fields are left out."""
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
    """Return True if a text contains `wanted`, ignoring case and white space."""
    sought = normalized(wanted)
    return any(sought in normalized(text) for text in texts)


def normalized(text: str) -> str:
    """Return a text as it is compared: without case, each white space as one space."""
    return " ".join(text.split()).casefold()
