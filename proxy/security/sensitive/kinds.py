"""
Definition of a row in the table of sensitive data.

A kind is found by its prefixes, by a word before it, or by its shape. A match is
replaced if the kind's `confirm` function accepts it. Every expression either decides
within a bounded number of characters or runs to the end of a word, so the time
for a search is linear in the length of any text. The tests count the steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Final, TypeAlias

Span: TypeAlias = tuple[int, int]
Confirm: TypeAlias = Callable[[re.Match[str], int], Span | None]
"""
Takes a match and the end of the previous one; returns the span to replace.

The span never begins before that end. None rejects the match.
"""

MAX_SHAPE_LENGTH: Final = 1024
"""Maximum length of a shape in characters, except for words, which may be longer."""
MAX_INSPECTED_LENGTH: Final = 256
"""Characters at the beginning of a word that decide whether it is a secret."""
_WORD_START: Final = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
"""Start of a word; it may directly follow a percent escape of a URL, or a non-ASCII letter."""


def accept_match(found: re.Match[str], _: int) -> Span:
    """Accept the whole match."""
    return found.span()


def accept_secret(found: re.Match[str], _: int = 0) -> Span:
    """Accept the group `secret`, or else the whole match, without a full stop at its end."""
    group = "secret" if "secret" in found.re.groupindex else 0
    start, end = found.span(group)
    return start, end - 1 if found[group].endswith(".") else end


def inspected_part(found: re.Match[str], group: str | int = 0) -> str:
    """Return the beginning of a group, at most `MAX_INSPECTED_LENGTH` characters."""
    start, end = found.span(group)
    return found.string[start : min(end, start + MAX_INSPECTED_LENGTH)]


@dataclass(frozen=True)
class Kind:
    """A row of the table: a name, the word that replaces matches, and how to find them."""

    name: str
    replacement: str
    expression: str
    """Regular expression for what follows a prefix or word; for the whole, if there is neither."""
    _: KW_ONLY
    starts: tuple[str, ...] = ()
    """Prefixes, case-sensitive, of long words of letters and digits."""
    words: tuple[str, ...] = ()
    """Words in lower case; a text may have them in any case and within longer words."""
    needs: tuple[str, ...] = ()
    """Strings of which every match of a shape contains at least one."""
    in_digits: bool = False
    """True if every match of a shape contains seven digits with at most three signs between."""
    confirm: Confirm = accept_match
    examples: tuple[str, ...]
    """Texts that match; the part that is replaced is in «» if it is not the whole text."""
    innocents: tuple[str, ...] = ()
    """Similar texts that are not replaced."""

    @property
    def whole_expression(self) -> str:
        """The expression with its prefix or word."""
        starts, words = ("|".join(map(re.escape, each)) for each in (self.starts, self.words))
        before = f"{_WORD_START}(?:{starts})" if starts else f"(?i:{words})" if words else ""
        return before + self.expression
