"""
JSON in columns of the store, which another version may have written, or somebody by hand.

Whoever reads it says what cannot be read, and goes on with the rest.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec

T = TypeVar("T")

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError)
"""Errors of decoding what has another shape than it should; SQLite keeps values of any type."""
UNREADABLE_COMPARISON: Final = "its stored comparison cannot be read"
"""Stands where the reason of a shadow's failure does."""

_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class StoredComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a comparison; pairs have the client's first. Older records have fewer."""

    equal: bool = False
    similarity: _Share | None = None
    stop_reasons: tuple[str | None, str | None] = (None, None)
    characters: tuple[int | None, int | None] = (None, None)
    milliseconds: tuple[float | None, float | None] = (None, None)
    models: tuple[str | None, str | None] = (None, None)
    output_tokens: tuple[float | None, float | None] = (None, None)
    adjustments: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


_COMPARISON: Final = msgspec.json.Decoder(StoredComparison)


def read_stored(decoder: msgspec.json.Decoder[T], written: str) -> T | None:
    """Return what a column of JSON says; None if it has another shape."""
    try:
        return decoder.decode(written)
    except UNREADABLE:
        return None


def read_comparison(written: str) -> StoredComparison | None:
    """Return a stored comparison; None if it has another shape."""
    return read_stored(_COMPARISON, written)
