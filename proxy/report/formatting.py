"""Format numbers, times and texts for people, as plain text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

_SECOND: Final = 1000
_CENT: Final = 0.01
_ALMOST_ALL: Final = 0.995


def short(text: str, most: int = 120) -> str:
    """Cut a text that is longer than `most` characters, and say how long it is."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters)"


def one_or_many(count: int, noun: str) -> str:
    """Return a count with its noun: `1 request`, `2 requests`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def lost_exchanges(by_day: Mapping[str, int], *, most: int = 7) -> str:
    """Say how many exchanges nobody can count any more, and on which days they were."""
    days = [f"{day}: {count:,}" for day, count in by_day.items()]
    if len(days) > most:
        days[most:] = [f"and {one_or_many(len(days) - most, 'more day')}"]
    return (
        f"The sums of {one_or_many(sum(by_day.values()), 'exchange')} were deleted, and so were"
        f" their records ({', '.join(days)}): only a backup of the store has them."
    )


def number(value: float) -> str:
    """Format a number with thousands separators and no decimals."""
    return f"{value:,.0f}"


def percent(share: float | None) -> str:
    """Format a share; a part is never rounded to all or to nothing."""
    if share is None:
        return "not known"
    if 0 < share < _CENT:
        return "< 1 %"
    return "> 99 %" if _ALMOST_ALL <= share < 1 else f"{100 * share:.0f} %"


def duration(milliseconds: float) -> str:
    """Format milliseconds, as seconds from one second on."""
    if milliseconds >= _SECOND:
        return f"{milliseconds / _SECOND:,.1f} s"
    return f"{milliseconds:.0f} ms"


def money(dollars: float | None) -> str:
    """Format dollars with cents, or with one significant digit below a cent."""
    if dollars is None:
        return "not known"
    return f"${dollars:,.2f}" if dollars >= _CENT or dollars == 0 else f"${dollars:.1g}"


def moment(written: str) -> str:
    """Format an ISO 8601 time as a day and a time."""
    return f"{day(written)}, {datetime.fromisoformat(written):%H:%M}"


def moment_without_year(written: str) -> str:
    """Format an ISO 8601 time as a day and a time, without the year."""
    at = datetime.fromisoformat(written)
    return f"{at.day} {at:%b, %H:%M}"


def day(written: str) -> str:
    """Format an ISO 8601 time as a day."""
    at = datetime.fromisoformat(written)
    return f"{at.day} {at:%b %Y}"


def step_label(written: str, step: str) -> str:
    """Format the start of a step of the volume; a step of a day is that day."""
    return day(written) if step == "day" else moment(written)


FILTERS: Final[Mapping[str, Callable[..., str]]] = {
    function.__name__: function
    for function in (
        step_label,
        day,
        duration,
        moment_without_year,
        moment,
        money,
        number,
        percent,
        short,
    )
}
