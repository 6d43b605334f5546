"""Tokens of the simulator: counting, cutting, and splitting text into deltas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

# A simulated token is up to eight characters of a word, with the space before it. Real
# tokens differ, but tests need a budget with an exact meaning.
_TOKEN: Final = re.compile(r"\s?\S{1,8}|\s")
_TWO_TOKENS: Final = re.compile(r"(?:\s?\S{1,8}|\s){1,2}")
_CHARACTERS_PER_INPUT_TOKEN: Final = 4


def count_tokens(text: str) -> int:
    return sum(1 for _ in _TOKEN.finditer(text))


def estimate_tokens(characters: int) -> int:
    """Estimate the tokens of an input by its length alone, since it may be megabytes long."""
    return -(-characters // _CHARACTERS_PER_INPUT_TOKEN)


def length_of_tokens(text: str, tokens: int) -> int:
    """Return the length in characters of the first `tokens` tokens of a text."""
    if tokens >= len(text):
        return len(text)  # no token is shorter than a character
    end = 0
    for count, token in enumerate(_TOKEN.finditer(text)):
        if count == tokens:
            break
        end = token.end()
    return end


def split_into_deltas(text: str, size: int | None) -> tuple[str, ...]:
    """Split a text into deltas of `size` characters, or of two tokens each if it is None."""
    if size is None:
        return tuple(_TWO_TOKENS.findall(text))
    return tuple(text[start : start + size] for start in range(0, len(text), size))


def clip_deltas(deltas: Iterable[str], length: int) -> tuple[str, ...]:
    """Return the deltas of the first `length` characters; the last one may be cut."""
    kept: list[str] = []
    for delta in deltas:
        if length == 0:
            break
        kept.append(delta[:length])
        length -= len(kept[-1])
    return tuple(kept)


def find_stop(text: str, sequences: Sequence[str]) -> tuple[int, str] | None:
    """
    Return the start of the stop sequence that is completed first, and the sequence.

    "Earliest match in output wins, not list order" (messages-wire 1.6). This is taken to
    mean the match that *ends* first, since a sampler sees the text token by token.
    """
    hits = [
        (start + len(sequence), start, sequence)
        for sequence in sequences
        if (start := text.find(sequence)) >= 0
    ]
    if not hits:
        return None
    _, start, sequence = min(hits)
    return start, sequence
