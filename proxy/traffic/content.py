"""What was said in an exchange, where the operator wants it kept: redacted, and compressed."""

from __future__ import annotations

from typing import Final

import msgspec
import zstandard

PARTS: Final = ("legacy_in", "messages_out", "messages_back", "legacy_back")
"""The four bodies of an exchange, in the order in which they are sent."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """One of the bodies of an exchange."""

    part: str
    """One of `PARTS`."""
    size: int
    """In bytes, as it was on the wire."""
    digest: str
    """Of what was on the wire; keyed."""
    data: bytes | None
    """Redacted, zstd: JSON where it was JSON, a stream as the whole answer it comes to; None:
    only the digest is kept."""
    timing: bytes | None
    """Of a stream: zstd of JSON, `[[milliseconds, event, characters], ...]`."""


class Content(msgspec.Struct, frozen=True, kw_only=True, tag="content"):
    """The bodies of one exchange."""

    id: str
    """Of the exchange."""
    received: str
    """As in its record."""
    bodies: tuple[Body, ...]


def compress(text: bytes) -> bytes:
    """As a body keeps it."""
    return zstandard.compress(text)


def decompress(data: bytes) -> bytes:
    """The same back; where it is damaged, a word that says so."""
    try:
        return zstandard.decompress(data)
    except zstandard.ZstdError:
        return b"(damaged)"
