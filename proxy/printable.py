"""
Foreign text for a terminal: what clients and models say may be printed, not obeyed.

An escape sequence in the name of a model would clear the screen of whoever
looks at the log, and a mark for right-to-left text would turn the rest of a
line around. Everything that Unicode does not call printable is spelled as in
JSON; only the joiners stay, which Indic and Persian scripts need.
"""

from __future__ import annotations

import json
from typing import Final

_JOINERS: Final = frozenset("\u200c\u200d")


def printable(text: str) -> str:
    """The same text, on one line, with nothing in it that a terminal acts on."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in _JOINERS else _spelled(character)
        for character in text
    )


def json_line(value: object) -> str:
    """The value as one line of JSON, in ASCII: a terminal acts on nothing in it either."""
    return json.dumps(value)


def _spelled(character: str) -> str:
    return json.dumps(character)[1:-1]
