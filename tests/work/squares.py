"""Work that grows with the square of what it is done on, in the ways in which that hides in C."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

_TRAILING_SPACE = re.compile(r" +$")
_NESTED = re.compile(r"(?:a|a b?)+c")


def looked_for(words: Iterable[str], text: str) -> list[str]:
    """Each in all of the text."""
    return [word for word in words if word in text]


def walked_to(text: str) -> list[str]:
    """Each character, from the start each time."""
    return [character for place in range(len(text)) for character in islice(text, place, place + 1)]


def grown(pieces: Iterable[str]) -> str:
    """All of them, copied each time."""
    text = ""
    for piece in pieces:
        text += piece
    return text


def eaten(text: str) -> int:
    """As many as there are, and what is left copied each time."""
    bites = 0
    while text:
        text, bites = text[1:], bites + 1
    return bites


def moved_up(items: list[str]) -> str:
    """The first that is not empty, and all others moved up for it."""
    while items and not items[0]:
        del items[:1]
    return items.pop(0) if items else ""


def repeated(words: list[str]) -> int:
    """The words that were there before, looked for among those that were."""
    return sum(word in words[:place] for place, word in enumerate(words))


def backtracked(text: str) -> bool:
    """A pattern that tries each beginning to the end."""
    return _TRAILING_SPACE.search(text) is not None
