"""
Escaping of untrusted text, so that a terminal displays it but does not obey it.

An escape sequence in a model's name could clear the operator's screen, and a mark for
right-to-left text could reverse the rest of a line. Every character that Unicode does not
define as printable is therefore escaped as in JSON. Invisible joiners stay between
non-Latin characters, because Indic and Persian scripts and emoji need them. Between Latin
letters they would only disguise a word, so they are escaped.
"""

from __future__ import annotations

import json
from typing import Final

_JOINERS: Final = frozenset("\u200c\u200d")
_LAST_LATIN: Final = "\u02ff"
"""The last of the Latin letters and of the modifiers that are written with them."""


def escape_for_terminal(text: str) -> str:
    """Return the text as one line, with control and other unprintable characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or _is_needed_joiner(text, place)
        else json.dumps(character)[1:-1]
        for place, character in enumerate(text)
    )


def json_line(value: object) -> str:
    """Return the value as one line of ASCII JSON, which is also safe for a terminal."""
    return json.dumps(value)


def _is_needed_joiner(text: str, place: int) -> bool:
    """Return True for a joiner between two visible characters that are not Latin."""
    around = text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    return text[place] in _JOINERS and all(
        character > _LAST_LATIN and character.isprintable() for character in around
    )
