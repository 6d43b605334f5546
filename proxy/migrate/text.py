"""
A text of a program as parts: literal strings, and holes for expressions.

For the planner each hole becomes one private-use character of its own, which no marker and no
white space contains; in what the planner makes of the text the holes are put back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

MARKERS: Final = {"HUMAN_PROMPT": "\n\nHuman:", "AI_PROMPT": "\n\nAssistant:"}
"""The markers by the names of the SDKs' constants."""
MARKER_WORD: Final = re.compile(r"(?:Human|Assistant):|HUMAN_PROMPT|AI_PROMPT")
"""Is looked for in source code, too, where the letter of an escape may stand before it."""

_FIRST: Final = 0xE000
MAX_HOLES: Final = 0xF8FF - _FIRST + 1
_PRIVATE_USE: Final = re.compile("[\ue000-\uf8ff]")


@dataclass(frozen=True, slots=True)
class Hole:
    """An expression of the source that stands in a text."""

    source: str
    form: str = ""
    """How the language writes it in a text; of no meaning here."""
    is_marker_free: bool = False
    """True if the value is known to hold no markers."""
    is_repeatable: bool = False
    """True if the expression may be evaluated twice: a name, not a call."""
    may_be_empty: bool = False
    """True if the source shows that the value is an empty string, if nothing else is given."""
    is_rstripped: bool = False
    """True if the white space at the end of its value is taken off."""


Text: TypeAlias = tuple[str | Hole, ...]


def text_of(*parts: str | Hole) -> Text:
    """Return a text of these parts, with adjacent strings joined and empty ones left out."""
    joined: list[str | Hole] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return tuple(joined)


def holes_in(text: Iterable[str | Hole]) -> tuple[Hole, ...]:
    """Return the holes of a text in their order."""
    return tuple(part for part in text if isinstance(part, Hole))


class Placeholders:
    """The private-use characters that stand for the holes of one call."""

    def __init__(self) -> None:
        self._holes: dict[str, Hole] = {}

    @property
    def holes(self) -> Mapping[str, Hole]:
        """Each hole by its character."""
        return self._holes

    def written(self, text: Text) -> str | None:
        """Return the text with a character per hole; None if it has such characters itself."""
        if any(isinstance(part, str) and _PRIVATE_USE.search(part) for part in text):
            return None
        if len(self._holes) + len(text) > MAX_HOLES:
            return None
        return "".join(part if isinstance(part, str) else self._character(part) for part in text)

    def filled(self, text: str) -> Text:
        """Return a text in which the characters have become holes again."""
        parts: list[str | Hole] = []
        start = 0
        for found in _PRIVATE_USE.finditer(text):
            parts += [text[start : found.start()], self._holes[found[0]]]
            start = found.end()
        return text_of(*parts, text[start:])

    def _character(self, hole: Hole) -> str:
        character = chr(_FIRST + len(self._holes))
        self._holes[character] = hole
        return character
