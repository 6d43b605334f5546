"""Which models in use retire soon, or may, and who is hit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from proxy.report.callers import CallerStatistics
from proxy.report.model import HitCaller, Retirement
from translators import Catalogue

_SOON_DAYS: Final = 90


def retirements_of(
    callers: Iterable[CallerStatistics], catalogue: Catalogue, today: str
) -> tuple[Retirement, ...]:
    """Within 90 days, or already; of models that were sent, or were forwarded as asked."""
    hit: dict[str, dict[int, int]] = {}
    known = list(callers)
    for number, caller in enumerate(known):
        for each in caller.shaped:
            # Of what a first try of a forwarded one had translated, nothing is asked now.
            if model := each.asked if each.ending.route == "forward" else each.sent:
                counts = hit.setdefault(model, {})
                counts[number] = counts.get(number, 0) + each.exchanges
    found = (_retirement(model, counts, known, catalogue, today) for model, counts in hit.items())
    return tuple(sorted((each for each in found if each), key=_when))


def _retirement(
    name: str,
    counts: dict[int, int],
    callers: list[CallerStatistics],
    catalogue: Catalogue,
    today: str,
) -> Retirement | None:
    model = catalogue.find(name)
    day = model and (model.retires or model.retires_not_before)
    if model is None or not day:
        return None
    days_left = (date.fromisoformat(day) - date.fromisoformat(today)).days
    if days_left > _SOON_DAYS:
        return None
    return Retirement(
        model=name,
        retires=model.retires,
        not_before=None if model.retires else day,
        days_left=days_left,
        successor=model.successor,
        exchanges=sum(counts.values()),
        callers=tuple(_hit(counts, callers)),
    )


def _when(model: Retirement) -> tuple[bool, int]:
    return model.is_past, abs(model.days_left) if model.is_past else model.days_left


def _hit(counts: dict[int, int], callers: list[CallerStatistics]) -> Iterator[HitCaller]:
    for number, count in sorted(counts.items(), key=lambda each: -each[1]):
        caller = callers[number]
        yield HitCaller(name=caller.name, digest=caller.digest, count=count)
