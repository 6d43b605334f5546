"""
Show two bodies as JSON with marks on the words that only one of them has.

Only texts are compared, all texts of a body in sequence, because parts of a
prompt may end up in `system` and in several messages. Line ends within texts
are shown as line ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final

from proxy.terminal_text import escape_for_terminal

_TEXTS: Final = frozenset({"prompt", "completion", "system", "content", "text"})
_WORD: Final = re.compile(r"\w+|\s|[^\w\s]")
MAX_WORDS: Final = 4_000
"""Limit for each body: the time grows with the square of it, to a quarter of a second for the worst
texts of this length."""


@dataclass(frozen=True, slots=True)
class DiffPiece:
    """A piece of shown text, marked or not."""

    text: str
    is_marked: bool = False


def mark_differences(one: object, other: object) -> tuple[list[DiffPiece], list[DiffPiece]]:
    """Return the pieces of both bodies, unmarked if one is empty or too long to compare."""
    words = _all_words(one), _all_words(other)
    marks = (bytearray(len(words[0])), bytearray(len(words[1])))
    if all(0 < len(each) <= MAX_WORDS for each in words):
        marks = _marks(*words)
    return _joined(_pieces(one, iter(marks[0]))), _joined(_pieces(other, iter(marks[1])))


def mark_text_differences(one: str, other: str) -> tuple[list[DiffPiece], list[DiffPiece]]:
    """Return the pieces of two plain texts, as they are."""
    words = _words(one), _words(other)
    one_marks, other_marks = _marks(*words)
    return (
        _joined(map(DiffPiece, words[0], map(bool, one_marks))),
        _joined(map(DiffPiece, words[1], map(bool, other_marks))),
    )


def comparing_work(one: str, other: str) -> int:
    """Return what comparing two texts takes at most, which grows with the product of both."""
    return len(_words(one)) * len(_words(other))


def are_too_long(*values: object) -> bool:
    """Return True if one of the bodies has too many words to be compared."""
    return any(len(_all_words(value)) > MAX_WORDS for value in values)


def _marks(one: Sequence[str], other: Sequence[str]) -> tuple[bytearray, bytearray]:
    """Return a 1 for each word that only one of two texts has, else a 0."""
    marks = bytearray(len(one)), bytearray(len(other))
    for what, *span in SequenceMatcher(None, one, other).get_opcodes():
        if what != "equal":
            for each, (start, end) in zip(marks, (span[:2], span[2:]), strict=True):
                each[start:end] = b"\1" * (end - start)
    return marks


def _joined(pieces: Iterable[DiffPiece]) -> list[DiffPiece]:
    """Join neighbours that are both marked, or both not."""
    return [
        DiffPiece("".join(piece.text for piece in run), is_marked)
        for is_marked, run in groupby(pieces, key=lambda piece: piece.is_marked)
    ]


def _all_words(value: object) -> list[str]:
    return [word for text in _texts(value) for word in _words(text)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _texts(value: object, *, is_text: bool = True) -> Iterator[str]:
    match value:
        case str() if is_text:
            yield value
        case dict():
            for name, inner in _items(value):
                yield from _texts(inner, is_text=name in _TEXTS)
        case list():
            for inner in value:
                yield from _texts(inner, is_text=False)
        case _:
            return


def _pieces(
    value: object, marks: Iterator[int], indent: str = "\n", *, is_text: bool = True
) -> Iterator[DiffPiece]:
    deeper = f"{indent}  "
    match value:
        case str() if is_text:
            yield DiffPiece('"')
            for word in _words(value):
                rest = f"{deeper} " if word == "\n" else ""
                yield DiffPiece(_as_json(word)[1:-1] + rest, bool(next(marks)))
            yield DiffPiece('"')
        case dict() if value:
            for place, (name, inner) in enumerate(_items(value)):
                yield DiffPiece(f"{',' if place else '{'}{deeper}{_as_json(name)}: ")
                yield from _pieces(inner, marks, deeper, is_text=name in _TEXTS)
            yield DiffPiece(f"{indent}}}")
        case list() if value:
            for place, inner in enumerate(value):
                yield DiffPiece(f"{',' if place else '['}{deeper}")
                yield from _pieces(inner, marks, deeper, is_text=False)
            yield DiffPiece(f"{indent}]")
        case _:
            yield DiffPiece(_as_json(value))


def _items(fields: dict[str, object]) -> list[tuple[str, object]]:
    # `messages` last, because what is in `system` came first in the prompt.
    return sorted(fields.items(), key=lambda item: item[0] == "messages")


def _as_json(value: object) -> str:
    return escape_for_terminal(json.dumps(value, ensure_ascii=False))
