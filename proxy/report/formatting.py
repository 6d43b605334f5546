"""Values as people read them; all as plain text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

_SECOND: Final = 1000
_CENT: Final = 0.01
_ALMOST_ALL: Final = 0.995


def short(text: str, most: int = 120) -> str:
    """The beginning of what is too long to be read here."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters)"


def one_or_many(count: int, noun: str) -> str:
    """`1 request`, `2 requests`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def number(value: float) -> str:
    """With separators of thousands."""
    return f"{value:,.0f}"


def percent(share: float | None) -> str:
    """A share; what is not all is never rounded to all, nor something to nothing."""
    if share is None:
        return "not known"
    if 0 < share < _CENT:
        return "< 1 %"
    return "> 99 %" if _ALMOST_ALL <= share < 1 else f"{100 * share:.0f} %"


def duration(milliseconds: float) -> str:
    """In the unit that fits."""
    if milliseconds >= _SECOND:
        return f"{milliseconds / _SECOND:,.1f} s"
    return f"{milliseconds:.0f} ms"


def money(dollars: float | None) -> str:
    """In dollars, with cents, or with what matters below a cent."""
    if dollars is None:
        return "not known"
    return f"${dollars:,.2f}" if dollars >= _CENT or dollars == 0 else f"${dollars:.1g}"


def moment(written: str) -> str:
    """ISO 8601 as a day and a time."""
    return f"{day(written)}, {datetime.fromisoformat(written):%H:%M}"


def lately(written: str) -> str:
    """The same without its year, which goes without saying."""
    at = datetime.fromisoformat(written)
    return f"{at.day} {at:%b, %H:%M}"


def day(written: str) -> str:
    """ISO 8601 as a day."""
    at = datetime.fromisoformat(written)
    return f"{at.day} {at:%b %Y}"


def begun(written: str, step: str) -> str:
    """ISO 8601 as the begin of a step of time: of a day, that day."""
    return day(written) if step == "day" else moment(written)


FILTERS: Final[Mapping[str, Callable[..., str]]] = {
    function.__name__: function
    for function in (begun, day, duration, lately, moment, money, number, percent, short)
}
