"""
The shape of an exchange: a hash of the columns by which reports group exchanges.

Grouping by one number is several times as fast as by a dozen columns, whose values can be
read from any row of the group. Values that clients choose freely are left out, because they
could make every exchange a group of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from proxy.traffic.store.stored_json import read_stored

SHAPE_COLUMNS: Final = (
    *("caller_name", "caller", "dialect", "streamed", "features", "route", "rule"),
    *("asked_model", "sent_model", "status", "error_type", "outcome"),
)
"""
Columns in the hash; besides them it covers the kinds of adjustments and whether a second leg
was tried.
"""
_DIGEST_BYTES: Final = 8


class _Adjustment(msgspec.Struct):
    kind: str


_KINDS: Final = msgspec.json.Decoder(list[_Adjustment])


def fingerprint_of(row: Mapping[str, Any]) -> int:
    """Return the shape of a row of `exchanges`; collisions of 64 bits are negligible."""
    kinds = adjustment_kinds(row["adjustments"])
    is_rescued = row["first_failure"] is not None
    values = msgspec.json.encode([*(row[name] for name in SHAPE_COLUMNS), is_rescued, *kinds])
    digest = hashlib.blake2b(values, digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "big", signed=True)


def adjustment_kinds(adjustments: str) -> list[str]:
    """Return each kind of adjustment in a column of JSON once, in alphabetical order."""
    return sorted({made.kind for made in read_stored(_KINDS, adjustments) or ()})
