"""
What a row of the table of sensitive things is.

A kind is found where one of its beginnings or words stands, or by its shape,
and what is found is taken out if a closer look confirms it. An expression has
made up its mind within a bounded number of characters, or runs on to the end
of a word: so the time it takes grows with the text and no faster, whatever
the text is. The tests count its steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Final, TypeAlias

Span: TypeAlias = tuple[int, int]
Confirm: TypeAlias = Callable[[re.Match[str], int], Span | None]
"""Where to take out what was found, from the second argument on at most; None: it is none."""

REACH: Final = 1024
"""Characters in which a shape is known to be there, or not; only words run on."""
LOOKED_AT: Final = 256
"""Characters of a word that tell whether it is a secret."""
_APART: Final = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
"""Where a word begins, also behind what is escaped in a URL, or a word without a space after it."""


def whole(found: re.Match[str], _: int) -> Span:
    """All of it."""
    return found.span()


def secret(found: re.Match[str], _: int = 0) -> Span:
    """The group of that name, or all; without the full stop of a sentence."""
    group = "secret" if "secret" in found.re.groupindex else 0
    start, end = found.span(group)
    return start, end - 1 if found[group].endswith(".") else end


def beginning(found: re.Match[str], group: str | int = 0) -> str:
    """As much of it as tells what it is."""
    start, end = found.span(group)
    return found.string[start : min(end, start + LOOKED_AT)]


@dataclass(frozen=True)
class Kind:
    """One row: how it is called, the word that stands in its place, and how it looks."""

    name: str
    instead: str
    expression: str
    """Of all of it, or of what follows its beginning or word."""
    _: KW_ONLY
    starts: tuple[str, ...] = ()
    """Beginnings of words of many letters and digits, spelled exactly so."""
    words: tuple[str, ...] = ()
    """In small letters; in a text they may be in capitals, and parts of longer words."""
    needs: tuple[str, ...] = ()
    """Of a shape: what is in it, the one or the other."""
    in_digits: bool = False
    """Of a shape: whether it holds seven digits with little in between."""
    confirm: Confirm = whole
    examples: tuple[str, ...]
    """What is taken out, in «these» if it is not all of it."""
    innocents: tuple[str, ...] = ()
    """What looks like it, and stays."""

    @property
    def whole_expression(self) -> str:
        """With its beginning or word."""
        starts, words = ("|".join(map(re.escape, each)) for each in (self.starts, self.words))
        before = f"{_APART}(?:{starts})" if starts else f"(?i:{words})" if words else ""
        return before + self.expression
