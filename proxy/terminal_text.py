"""
Foreign text for a terminal: what clients and models say may be printed, not obeyed.

An escape sequence in the name of a model would clear the screen of whoever
looks at the log, and a mark for right-to-left text would turn the rest of a
line around. Everything that Unicode does not call printable is spelled as in
JSON. Joiners stay where they may join something, which Indic and Persian
scripts and emoji need; between Latin letters they are only there to hide.
"""

from __future__ import annotations

import json
from typing import Final

_JOINERS: Final = frozenset("\u200c\u200d")
_LATIN: Final = "\u02ff"
"""The last of its letters, and of what is written with them."""


def escape_for_terminal(text: str) -> str:
    """The same text, on one line, with nothing in it that a terminal acts on."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or _joins(text, place) else _spelled(character)
        for place, character in enumerate(text)
    )


def json_line(value: object) -> str:
    """The value as one line of JSON, in ASCII: a terminal acts on nothing in it either."""
    return json.dumps(value)


def _joins(text: str, place: int) -> bool:
    """Whether there is a joiner between two characters that are seen, and not Latin."""
    around = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    return text[place] in _JOINERS and all(
        character > _LATIN and character.isprintable() for character in around
    )


def _spelled(character: str) -> str:
    return json.dumps(character)[1:-1]
