r"""
Lone surrogates: JSON that is valid for JavaScript and for nobody else.

A JavaScript client that cuts a string in the middle of an emoji sends half of
a pair, as `\ud83d` or as the three bytes a lax encoder makes of it. The
Messages API refuses such JSON; here each half becomes U+FFFD, which is what
every UTF-8 encoder that does not refuse makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_FIRST: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_SECOND: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ENCODED: Final = rb"\xed[\xa0-\xbf][\x80-\xbf]"
# A constant takes their place: to call a function for each would take several times as long.
_LONE: Final = re.compile(
    rb"%(first)b(?!%(second)b)|%(second)b(?<!%(first)b%(second)b)|%(encoded)b"
    % {b"first": _FIRST, b"second": _SECOND, b"encoded": _ENCODED}
)
_WHOLE: Final = re.compile(rb"(?:%b)?%b|%b|%b" % (_FIRST, _SECOND, _FIRST, _ENCODED))
_MAX_LENGTH: Final = len(rb"\ud83d\ude00")
# Not as an escape: behind a stray backslash that would make good JSON of bad.
_REPLACEMENT: Final = "\ufffd".encode()

_NEVER_IN_UTF8: Final = b"\xff"
_BACKSLASH: Final = rb"\\"
_ASIDE: Final = 2 * _NEVER_IN_UTF8
"""In the place of an escaped backslash, so that every other one begins an escape."""

_AT_A_TIME: Final = 64 * 1024
"""Bytes: the pieces that a substitution is made of take many times the memory of its result."""


def replace_lone_surrogates(document: bytes) -> tuple[bytes, int]:
    r"""Return the JSON document with each lone surrogate as U+FFFD, and how many there were."""
    if _NEVER_IN_UTF8 in document:
        return document, 0  # it is no JSON, whatever is done to it
    count = 0
    mended: list[bytes] = []
    for piece in _pieces(document.replace(_BACKSLASH, _ASIDE)):
        without, replaced = _LONE.subn(_REPLACEMENT, piece)
        mended.append(without)
        count += replaced
    return b"".join(mended).replace(_ASIDE, _BACKSLASH), count


def _pieces(document: bytes) -> Iterator[bytes]:
    """Cut a document where neither a pair nor a half of one is cut in two."""
    start = 0
    while start < len(document):
        end = start + _AT_A_TIME
        for whole in _WHOLE.finditer(document, end - _MAX_LENGTH + 1, end + _MAX_LENGTH - 1):
            if whole.start() < end < whole.end():
                end = whole.start()
        yield document[start:end]
        start = end
