"""How long the place of a worker that has ended stays empty."""

from __future__ import annotations

from typing import Final

_STABLE_SECONDS: Final = 2
"""A worker that has served for as long can start, and clients gain more from the next one at once
than the machine loses by starting it."""
_MAX_DELAY_SECONDS: Final = 60
_MAX_DELAY_ALONE_SECONDS: Final = 1
"""Limit while nobody serves: clients wait then."""


def count_brief_lives(before: int, served_seconds: float) -> int:
    """Return how many workers in a row have ended soon, the last one of them included."""
    return 0 if served_seconds >= _STABLE_SECONDS else before + 1


def restart_delay(brief_lives: int, *, somebody_serves: bool) -> float:
    """Return the seconds after the end of a worker until its place is taken by another one."""
    if brief_lives <= 1:
        return 0
    limit = _MAX_DELAY_SECONDS if somebody_serves else _MAX_DELAY_ALONE_SECONDS
    # The exponent is bounded too: a place may have been empty for weeks.
    return min(2.0 ** min(brief_lives - 2, 6), limit)
