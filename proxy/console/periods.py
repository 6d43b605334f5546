"""Periods until now that pages can show, by the name that stands in an address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.console.problems import Problem
from proxy.timestamps import DAY_MS, HOUR_MS


@dataclass(frozen=True, slots=True)
class ShownPeriod:
    """A period that ends now."""

    name: str
    words: str
    """What it is called in a sentence: the last `words`."""
    length_ms: int


PERIODS: Final[Mapping[str, ShownPeriod]] = {
    period.name: period
    for period in (
        ShownPeriod("1h", "hour", HOUR_MS),
        ShownPeriod("24h", "24 hours", DAY_MS),
        ShownPeriod("7d", "7 days", 7 * DAY_MS),
        ShownPeriod("30d", "30 days", 30 * DAY_MS),
        ShownPeriod("90d", "90 days", 90 * DAY_MS),
    )
}


def period_named(
    name: str | None, *, otherwise: str, among: Iterable[str] = PERIODS
) -> ShownPeriod:
    """Return the period of this name, or the usual one for None; raises `Problem`."""
    wanted = otherwise if name is None else name
    if wanted not in among:
        raise Problem(400, f"period: write one of {', '.join(among)}.")
    return PERIODS[wanted]
