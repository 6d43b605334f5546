"""
Long work as a generator that yields so that an event loop can run other tasks.

Functions whose work grows with a text do a few milliseconds of it between two
yields, and do not yield at all for a short text. This package looks at no
clock: `proxy/` drives the generator and decides when to let other tasks run.
Callers without an event loop run all steps in a row with `completed`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final, TypeAlias, TypeVar, cast

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""A generator whose return value is the result of the work."""

STEP_SIZE: Final = 64 * 1024
"""Bytes or characters processed in one step; the slowest kind of work takes 10 ms for them."""


def completed(steps: Steps[T]) -> T:
    """Run all steps without a pause and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("T", end.value)


def windows(length: int, size: int = STEP_SIZE) -> Iterator[tuple[int, int]]:
    """Yield start and end of each slice of at most `size` in a sequence of this length."""
    for start in range(0, length, size):
        yield start, min(start + size, length)


def leading_space_length(text: str) -> Steps[int]:
    """Return the number of white space characters at the start of a text."""
    for start, end in windows(len(text)):
        if start:
            yield
        if stripped := text[start:end].lstrip():
            return end - len(stripped)
    return len(text)


def rstripped_length(text: str, end: int | None = None) -> Steps[int]:
    """Return the length of `text[:end]` without the white space at its end."""
    end = len(text) if end is None else end
    for after, before in windows(end):
        if after:
            yield
        start = end - before
        if stripped := text[start : end - after].rstrip():
            return start + len(stripped)
    return 0


def is_blank(text: str) -> Steps[bool]:
    """Return True if a text is empty or consists of white space only."""
    return (yield from leading_space_length(text)) == len(text)
