"""Moments as they are written down: ISO 8601, UTC."""

from __future__ import annotations

import time
from functools import lru_cache


def to_milliseconds(moment: float) -> str:
    """As records have it; seconds since 1970."""
    second, thousandths = divmod(int(moment * 1_000), 1_000)
    return f"{_to_seconds(second)}.{thousandths:03}+00:00"


def to_microseconds(moment: float) -> str:
    """As lines of the log have it."""
    second, millionths = divmod(int(moment * 1_000_000), 1_000_000)
    return f"{_to_seconds(second)}.{millionths:06}Z"


@lru_cache(2)
def _to_seconds(second: int) -> str:
    """The same for all moments of a second: half of the work."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
