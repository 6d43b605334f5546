r"""
Lone surrogates: JSON that is valid for JavaScript and for nobody else.

A JavaScript client that cuts a string in the middle of an emoji sends half of
a pair, as `\ud83d` or as the three bytes a lax encoder makes of it. The
Messages API refuses such JSON; here each half becomes U+FFFD, which is what
every UTF-8 encoder that does not refuse makes of it.
"""

from __future__ import annotations

import re
from typing import Final

# Behind an even number of backslashes, which are escapes themselves, so that the "u" of an escaped
# backslash ("\\ud83d") is not taken for one. Half a pair is kept only where the other half follows.
_ESCAPE: Final = re.compile(
    rb"(?<!\\)(?P<before>(?:\\\\)*)\\"
    rb"(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
_ENCODED: Final = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def replace_lone_surrogates(document: bytes) -> tuple[bytes, int]:
    r"""Return the JSON document with each lone surrogate as U+FFFD, and how many there were."""
    count = 0

    def mend(match: re.Match[bytes]) -> bytes:
        nonlocal count
        if match["lone"] is None:
            return match[0]
        count += 1
        return match["before"] + rb"\ufffd"

    # Not as an escape: behind a stray backslash that would make good JSON of bad.
    document, encoded = _ENCODED.subn("\ufffd".encode(), document)
    if b"\\u" in document:  # found much faster than the pattern finds that there is nothing
        document = _ESCAPE.sub(mend, document)
    return document, count + encoded
