"""
Work in steps: a generator that yields wherever others may have their turn.

What takes the longer the longer a text is does a few milliseconds' work at most
between two yields, whatever the text is, and over a short one it does not yield
at all. Nothing here looks at a clock: `proxy/` does, and gives way; who has
nobody waiting takes all the steps at once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final, TypeAlias, TypeVar, cast

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""What it comes to is what it returns."""

AT_ONCE: Final = 64 * 1024
"""Bytes or characters that are worked on in one step: with what takes longest for each, 10 ms."""


def completed(steps: Steps[T]) -> T:
    """What some work comes to, done at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("T", end.value)


def windows(length: int, size: int = AT_ONCE) -> Iterator[tuple[int, int]]:
    """Where each part begins and ends of what is worked on part by part."""
    for start in range(0, length, size):
        yield start, min(start + size, length)


def leading_space(text: str) -> Steps[int]:
    """How many characters of white space a text begins with."""
    for start, end in windows(len(text)):
        if start:
            yield
        if said := text[start:end].lstrip():
            return end - len(said)
    return len(text)


def said_until(text: str, end: int | None = None) -> Steps[int]:
    """Where the white space begins that a text, or its beginning, ends with."""
    end = len(text) if end is None else end
    for after, before in windows(end):
        if after:
            yield
        start = end - before
        if said := text[start : end - after].rstrip():
            return start + len(said)
    return 0


def is_blank(text: str) -> Steps[bool]:
    """Whether there is nothing in a text but white space."""
    return (yield from leading_space(text)) == len(text)
