"""
Moments as people write them: `15m`, `24h`, `7d`, a day, or a day and a time.

A span is that long ago. What names no time zone is UTC. All come out as
milliseconds since the epoch, as the store has them.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

_MILLISECONDS: Final = {
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
}
_SPAN: Final = re.compile(rf"(\d{{1,6}})([{''.join(_MILLISECONDS)}])", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidMoment(ValueError):
    """Neither a span nor a date; the text says what would be one."""


def since(text: str, now: datetime) -> int:
    """The first millisecond that is meant; raises `InvalidMoment`."""
    return _span_of(text, now)[0]


def until(text: str, now: datetime) -> int:
    """The first millisecond that is meant no more: a day is meant to its end."""
    return _span_of(text, now)[1]


def milliseconds(moment: datetime) -> int:
    """Since the epoch."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _span_of(text: str, now: datetime) -> tuple[int, int]:
    if span := _SPAN.fullmatch(text):
        ago = int(span[1]) * _MILLISECONDS[span[2]]
        return (milliseconds(now) - ago,) * 2
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return (_time_of(text),) * 2
    begin = milliseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))
    return begin, begin + _MILLISECONDS["d"]


def _time_of(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidMoment(
            f"{text!r} is no moment; write 15m, 24h, 7d, 2026-11-20 or 2026-11-20T09:30 (UTC)"
        ) from exc
    return milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
