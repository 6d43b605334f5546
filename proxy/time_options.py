"""
Parse times as people write them: `15m`, `24h`, `7d`, a day, or a day and a time.

A duration means that long ago. Times without a time zone are UTC. Results are
milliseconds since the epoch, as in the store.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final

from proxy.timestamps import DAY_MS, HOUR_MS, MINUTE_MS

_MILLISECONDS: Final = {
    "s": 1_000,
    "m": MINUTE_MS,
    "h": HOUR_MS,
    "d": DAY_MS,
    "w": 7 * DAY_MS,
}
_SPAN: Final = re.compile(rf"(\d{{1,6}})([{''.join(_MILLISECONDS)}])", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidTime(ValueError):
    """The text is neither a duration nor a date; the message shows valid forms."""


def since(text: str, now: datetime) -> int:
    """Return the first millisecond of the time that is named; raise `InvalidTime`."""
    return _interval(text, now)[0]


def until(text: str, now: datetime) -> int:
    """Return the first millisecond after it: a day is included to its end."""
    return _interval(text, now)[1]


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _interval(text: str, now: datetime) -> tuple[int, int]:
    if span := _SPAN.fullmatch(text):
        ago = int(span[1]) * _MILLISECONDS[span[2]]
        return (milliseconds(now) - ago,) * 2
    with suppress(ValueError):
        day = date.fromisoformat(text)
        begin = milliseconds(datetime(day.year, day.month, day.day, tzinfo=UTC))
        return begin, begin + _MILLISECONDS["d"]
    try:
        time = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidTime(
            f"{text!r} is not a valid time; "
            "write 15m, 24h, 7d, 2026-11-20 or 2026-11-20T09:30 (UTC)"
        ) from exc
    return (milliseconds(time if time.tzinfo else time.replace(tzinfo=UTC)),) * 2
