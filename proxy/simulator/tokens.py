"""What a token is here, and where generated text ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

# One simulated token: up to eight characters of a word with the space before it.
# Real tokens are not like this; what matters is that a budget has an exact meaning.
_TOKEN: Final = re.compile(r"\s?\S{1,8}|\s")
_TWO_TOKENS: Final = re.compile(r"(?:\s?\S{1,8}|\s){1,2}")
_CHARACTERS_PER_INPUT_TOKEN: Final = 4


def count_tokens(text: str) -> int:
    return sum(1 for _ in _TOKEN.finditer(text))


def estimate_tokens(characters: int) -> int:
    """For input, which can be megabytes: cheap, and never zero for some text."""
    return -(-characters // _CHARACTERS_PER_INPUT_TOKEN)


def cut_after_tokens(text: str, tokens: int) -> int:
    """The length of what a budget of so many tokens lets through."""
    if tokens >= len(text):
        return len(text)  # no token is shorter than a character
    end = 0
    for count, token in enumerate(_TOKEN.finditer(text)):
        if count == tokens:
            break
        end = token.end()
    return end


def split_into_deltas(text: str, size: int | None) -> tuple[str, ...]:
    """Pieces of so many characters, or of two tokens; no text, no pieces."""
    if size is None:
        return tuple(_TWO_TOKENS.findall(text))
    return tuple(text[start : start + size] for start in range(0, len(text), size))


def clip_deltas(deltas: Iterable[str], length: int) -> tuple[str, ...]:
    """The deltas up to so many characters: what comes after is never sent, not even in part."""
    kept: list[str] = []
    for delta in deltas:
        if length == 0:
            break
        kept.append(delta[:length])
        length -= len(kept[-1])
    return tuple(kept)


def find_stop(text: str, sequences: Sequence[str]) -> tuple[int, str] | None:
    """
    Where the first sequence to be completed begins, and which one it is.

    "Earliest match in output wins, not list order" (messages-wire 1.6). That the
    earliest *completed* is meant, as a sampler would see it, is inferred.
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
