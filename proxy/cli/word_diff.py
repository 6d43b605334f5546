"""
Two bodies as JSON, with the words marked that are in one and not in the other.

Only texts are compared, those of a body one after the other: what became of a
prompt may stand in `system` and in several messages. A line of a text has a
line of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final, NamedTuple

from proxy.terminal_text import escape_for_terminal

_TEXTS: Final = frozenset({"prompt", "completion", "system", "content", "text"})
_WORD: Final = re.compile(r"\w+|\s|[^\w\s]")
_MAX_WORDS: Final = 20_000
"""On each side: seconds, where they are alike."""


class DiffPiece(NamedTuple):
    """A piece of what is shown."""

    text: str
    is_marked: bool = False


def mark_differences(one: object, other: object) -> tuple[list[DiffPiece], list[DiffPiece]]:
    """Both, each with marks on what is not in the other; without, if they are too long."""
    words = [_all_words(value) for value in (one, other)]
    marks = [bytearray(len(said)) for said in words]
    if all(0 < len(said) <= _MAX_WORDS for said in words):
        for what, *span in SequenceMatcher(None, words[0], words[1]).get_opcodes():
            if what != "equal":
                for each, (start, end) in zip(marks, (span[:2], span[2:]), strict=True):
                    each[start:end] = b"\1" * (end - start)
    shown = [
        [
            DiffPiece("".join(piece.text for piece in run), bool(is_marked))
            for is_marked, run in runs
        ]
        for value, each in zip((one, other), marks, strict=True)
        for runs in [groupby(_pieces(value, iter(each)), key=lambda piece: piece.is_marked)]
    ]
    return shown[0], shown[1]


def are_too_long(*values: object) -> bool:
    """Whether nothing is marked for that reason."""
    return any(len(_all_words(value)) > _MAX_WORDS for value in values)


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
                yield DiffPiece(_spelled(word)[1:-1] + rest, bool(next(marks)))
            yield DiffPiece('"')
        case dict() if value:
            for place, (name, inner) in enumerate(_items(value)):
                yield DiffPiece(f"{',' if place else '{'}{deeper}{_spelled(name)}: ")
                yield from _pieces(inner, marks, deeper, is_text=name in _TEXTS)
            yield DiffPiece(f"{indent}}}")
        case list() if value:
            for place, inner in enumerate(value):
                yield DiffPiece(f"{',' if place else '['}{deeper}")
                yield from _pieces(inner, marks, deeper, is_text=False)
            yield DiffPiece(f"{indent}]")
        case _:
            yield DiffPiece(_spelled(value))


def _items(fields: dict[str, object]) -> list[tuple[str, object]]:
    """`messages` last: what is in `system` stood before it in the prompt."""
    return sorted(fields.items(), key=lambda item: item[0] == "messages")


def _spelled(value: object) -> str:
    return escape_for_terminal(json.dumps(value, ensure_ascii=False))
