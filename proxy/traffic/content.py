"""Redacted and compressed bodies of an exchange, kept where rules ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import zstandard

PARTS: Final = ("legacy_in", "messages_out", "messages_back", "legacy_back")
"""The four bodies of an exchange, in the order in which they are sent."""
SHADOW_PARTS: Final[Mapping[str, str]] = {"shadow": "shadow_back", "control": "control_back"}
"""The bodies of answers that no client got, by the leg of the shadow."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A body of an exchange, or only its digest."""

    part: str
    """Name of the body, from `PARTS` or `SHADOW_PARTS`; later versions may have others."""
    size: int
    """Bytes on the wire; of a shadow's answer, those of the completion that it amounts to."""
    digest: str
    """Keyed digest of these bytes."""
    data: bytes | None
    """
    The redacted body, compressed with zstd. A stream is kept as the whole answer that it
    amounts to. None if only the digest is kept.
    """
    timing: bytes | None
    """Events of a stream: zstd of JSON, `[[milliseconds, event, characters], ...]`."""


class Content(msgspec.Struct, frozen=True, kw_only=True, tag="content"):
    """Bodies of one exchange; those of its shadows follow in entries of their own."""

    id: str
    """Id of the exchange."""
    received: str
    """Arrival of the request, copied from the exchange's record: ISO 8601, UTC."""
    bodies: tuple[Body, ...]


def compress(text: bytes) -> bytes:
    """Compress text with zstd, for `Body.data` and `Body.timing`."""
    return zstandard.compress(text)


def decompress(data: bytes) -> bytes:
    """Decompress text made by `compress`; return `(damaged)` if that is not possible."""
    try:
        return zstandard.decompress(data)
    except (zstandard.ZstdError, TypeError):  # SQLite keeps values of any type
        return b"(damaged)"
