"""Ids and padding that look random, yet are computed from a number, so that they repeat."""

from __future__ import annotations

import hashlib
from typing import Final

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = 22
_MAX_PADDING_LENGTH: Final = 15


def identifier(prefix: str, number: int) -> str:
    """Return an id of the recorded form: a prefix, `_01` and 22 base58 characters."""
    remainder = int.from_bytes(hashlib.sha256(f"{prefix}{number}".encode()).digest(), "big")
    digits = []
    for _ in range(_DIGITS):
        remainder, digit = divmod(remainder, len(_BASE58))
        digits.append(_BASE58[digit])
    return f"{prefix}_01{''.join(digits)}"


def padding(number: int) -> bytes:
    """Return 0 to 15 spaces, as the API sends to hide the length of deltas (messages-wire 3.1)."""
    scattered = number * 2654435761 >> 9  # Knuth's multiplicative hash
    return b" " * (scattered % (_MAX_PADDING_LENGTH + 1))
