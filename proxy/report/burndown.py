"""The requests of each day by caller: what there is until the last one has moved away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.timestamps import DAY_MS
from proxy.traffic.store.aggregates import CallerDay
from proxy.traffic.store.row_mapping import moment_of

MAX_SERIES: Final = 6
"""Callers that are shown one by one."""
QUIET_DAYS: Final = 7
"""Days without a request after which a caller counts as gone."""
_NO_NAMES: Final[Mapping[str, str]] = {}
_NO_KEY: Final = "without a key"


@dataclass(frozen=True, slots=True, kw_only=True)
class BurndownDay:
    """The requests of one day: of each caller that is shown, and of the others together."""

    begin: str
    counts: tuple[int, ...]
    """Requests of the callers in `Burndown.callers`, in their order."""
    others: int

    @property
    def requests(self) -> int:
        """All requests of the day."""
        return sum(self.counts) + self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class Burndown:
    """Requests by day and caller, from the first day with a request until today."""

    callers: tuple[str, ...]
    """Names or digests of the callers with the most requests, the largest first."""
    others: int
    """Number of callers that are not shown one by one."""
    days: tuple[BurndownDay, ...]
    gone: tuple[str, ...]
    """Callers that asked in this time, but not in the last seven days, the largest first."""

    @property
    def active(self) -> int:
        """Number of callers that still ask."""
        return len(self.callers) + self.others - len(self.gone)


def burndown_of(
    rows: Iterable[CallerDay], today: int, names: Mapping[str, str] = _NO_NAMES
) -> Burndown:
    """
    Return the burndown until `today`, which is counted from the epoch like all days.

    `names`, by digest, are for exchanges that were recorded before their caller had one.
    """
    totals: Counter[str] = Counter()
    last: dict[str, int] = {}
    by_day: dict[int, Counter[str]] = {}
    for each in rows:
        name = names.get(each.who, each.who) if each.who else _NO_KEY
        totals[name] += each.exchanges
        last[name] = max(each.day, last.get(name, each.day))
        by_day.setdefault(each.day, Counter())[name] += each.exchanges
    order = sorted(totals, key=lambda name: (-totals[name], name))
    shown = tuple(order[:MAX_SERIES])
    days: list[BurndownDay] = []
    for day in range(min(by_day, default=today + 1), today + 1):
        counts = by_day.get(day, Counter())
        of_shown = tuple(counts[name] for name in shown)
        days.append(
            BurndownDay(
                begin=moment_of(day * DAY_MS),
                counts=of_shown,
                others=counts.total() - sum(of_shown),
            )
        )
    return Burndown(
        callers=shown,
        others=len(order) - len(shown),
        days=tuple(days),
        gone=tuple(name for name in order if last[name] <= today - QUIET_DAYS),
    )
