"""Ids and padding that look random and are not: a number in, the same text out every time."""

from __future__ import annotations

import hashlib
from typing import Final

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = 22
_MAX_PADDING_LENGTH: Final = 15


def identifier(prefix: str, number: int) -> str:
    """`req_01` and 22 more characters, as recorded: 24 after the underscore."""
    remainder = int.from_bytes(hashlib.sha256(f"{prefix}{number}".encode()).digest(), "big")
    digits = []
    for _ in range(_DIGITS):
        remainder, digit = divmod(remainder, len(_BASE58))
        digits.append(_BASE58[digit])
    return f"{prefix}_01{''.join(digits)}"


def padding(number: int) -> bytes:
    """0 to 15 spaces, which hide the length of what a stream says (messages-wire 3.1)."""
    scattered = number * 2654435761 >> 9  # Knuth's multiplicative hash
    return b" " * (scattered % (_MAX_PADDING_LENGTH + 1))
