r"""
Replace lone surrogates in JSON, which JavaScript clients may send.

A client that cuts a string inside an emoji sends half of a surrogate pair, as
`\ud83d` or as the three bytes that a lax encoder writes for it. The Messages
API refuses such JSON; here each half becomes U+FFFD, the replacement that lax
UTF-8 encoders use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_FIRST: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_SECOND: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ENCODED: Final = rb"\xed[\xa0-\xbf][\x80-\xbf]"
# The replacement is a constant: calling a function for each would be several times slower.
_LONE: Final = re.compile(
    rb"%(first)b(?!%(second)b)|%(second)b(?<!%(first)b%(second)b)|%(encoded)b"
    % {b"first": _FIRST, b"second": _SECOND, b"encoded": _ENCODED}
)
_WHOLE: Final = re.compile(rb"(?:%b)?%b|%b|%b" % (_FIRST, _SECOND, _FIRST, _ENCODED))
_MAX_LENGTH: Final = len(rb"\ud83d\ude00")
# Not an escape: after a stray backslash, an escape would turn invalid JSON into valid JSON.
_REPLACEMENT: Final = "\ufffd".encode()

_NEVER_IN_UTF8: Final = b"\xff"
_BACKSLASH: Final = rb"\\"
_PLACEHOLDER: Final = 2 * _NEVER_IN_UTF8
"""Stands for an escaped backslash, so that every remaining backslash begins an escape."""

_CHUNK_BYTES: Final = 64 * 1024
"""A substitution takes many times the memory of its result, so it is made chunk by chunk."""


def replace_lone_surrogates(document: bytes) -> tuple[bytes, int]:
    r"""Return the document with each lone surrogate replaced by U+FFFD, and their number."""
    if _NEVER_IN_UTF8 in document:
        return document, 0  # invalid JSON, with or without surrogates
    count = 0
    pieces: list[bytes] = []
    for piece in _pieces(document.replace(_BACKSLASH, _PLACEHOLDER)):
        without, replaced = _LONE.subn(_REPLACEMENT, piece)
        pieces.append(without)
        count += replaced
    return b"".join(pieces).replace(_PLACEHOLDER, _BACKSLASH), count


def _pieces(document: bytes) -> Iterator[bytes]:
    """Cut a document into chunks without cutting through a surrogate or a pair of them."""
    start = 0
    while start < len(document):
        end = start + _CHUNK_BYTES
        for whole in _WHOLE.finditer(document, end - _MAX_LENGTH + 1, end + _MAX_LENGTH - 1):
            if whole.start() < end < whole.end():
                end = whole.start()
        yield document[start:end]
        start = end
