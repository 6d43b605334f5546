"""Timestamps in ISO 8601, in UTC, and the milliseconds of spans of time."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


def to_milliseconds(moment: float) -> str:
    """Return seconds since 1970 as a timestamp with milliseconds, for records."""
    second, thousandths = divmod(int(moment * 1_000), 1_000)
    return f"{_to_seconds(second)}.{thousandths:03}+00:00"


def to_microseconds(moment: float) -> str:
    """Return seconds since 1970 as a timestamp with microseconds, for log lines."""
    second, millionths = divmod(int(moment * 1_000_000), 1_000_000)
    return f"{_to_seconds(second)}.{millionths:06}Z"


@lru_cache(2)
def _to_seconds(second: int) -> str:
    # Cached, because formatting the date is half of the work.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
