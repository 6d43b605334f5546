"""
The shape of an exchange: a number that it shares with those that reports count it with.

Grouping by one number is several times as fast as by the dozen texts behind
it, which one row of each group says as well as all of them. What clients
choose freely, and may choose anew for each request, is no part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

SHAPING: Final = (
    *("caller_name", "caller", "dialect", "streamed", "features", "route", "rule"),
    *("asked_model", "sent_model", "status", "error_type", "outcome"),
)
"""Columns; and whether there was a second try, and the kinds of the adjustments."""
_DIGEST_BYTES: Final = 8


class _Made(msgspec.Struct):
    kind: str


_KINDS: Final = msgspec.json.Decoder(list[_Made])


def fingerprint_of(row: Mapping[str, Any]) -> int:
    """Of a row of `exchanges`; 64 bits are enough not to mistake one for another."""
    kinds = sorted({made.kind for made in _KINDS.decode(row["adjustments"])})
    is_rescued = row["first_failure"] is not None
    said = msgspec.json.encode([*(row[name] for name in SHAPING), is_rescued, *kinds])
    digest = hashlib.blake2b(said, digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "big", signed=True)
