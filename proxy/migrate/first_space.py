"""
The space that an answer of the legacy API begins with, and what programs make of it.

Answers of the Messages API begin with their first word. Where a program glues the text to a label,
the space is put there; where it counts on the space, whoever knows what for must change it.
"""

from __future__ import annotations

import re
from typing import Final

SPACED_PATTERN: Final = re.compile(r"\^?(?: |\\s)(?![*?])")
"""A regular expression, as it is written, that begins with a space that must be there."""
FIRST_CHARACTERS: Final = 8
"""A part of an answer that ends before is one of the first word."""
_LABEL_END: Final = re.compile(r"[\w:;.,!?]\Z")
_ESCAPE_END: Final = re.compile(r"\\\w{1,8}\Z")


def is_label(raw: str) -> bool:
    """Return True if the source of a literal ends with a word, and not with an escape."""
    return _LABEL_END.search(raw) is not None and _ESCAPE_END.search(raw) is None


def counts_on_it(line: int) -> str:
    """Say why a call is left alone whose answer is used in that line."""
    return (
        f"The text began with a space, and begins with its first word now: line {line} counts on "
        "the space."
    )
