"""Find the models in use that retire soon, or may, and the callers that depend on them."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.model_endings import ending_of
from proxy.report.callers import CallerStatistics
from proxy.report.model import HitCaller, Retirement
from translators import Catalogue


def retirements_of(
    callers: Iterable[CallerStatistics], catalogue: Catalogue, today: str
) -> tuple[Retirement, ...]:
    """Return models that have retired or may within 90 days, of those sent or forwarded."""
    hit: dict[str, dict[int, int]] = {}
    known = list(callers)
    for number, caller in enumerate(known):
        for each in caller.shapes:
            # A forwarded request went to the model it asks for, even if a first try sent another.
            if model := each.asked if each.ending.route == "forward" else each.sent:
                known_model = catalogue.find(model)  # an alias and its id are one model
                counts = hit.setdefault(known_model.id if known_model else model, {})
                counts[number] = counts.get(number, 0) + each.exchanges
    found = (_retirement(model, counts, known, catalogue, today) for model, counts in hit.items())
    return tuple(
        sorted(
            (each for each in found if each),
            key=lambda each: (each.is_past, -each.days_left if each.is_past else each.days_left),
        )
    )


def _retirement(
    name: str,
    counts: dict[int, int],
    callers: list[CallerStatistics],
    catalogue: Catalogue,
    today: str,
) -> Retirement | None:
    model = catalogue.find(name)
    ending = ending_of(model, today) if model else None
    if model is None or ending is None:
        return None
    return Retirement(
        model=name,
        retires=model.retires,
        not_before=None if ending.is_certain else ending.day,
        days_left=ending.days_left,
        successor=model.successor,
        exchanges=sum(counts.values()),
        callers=tuple(
            HitCaller(name=callers[number].name, digest=callers[number].digest, count=count)
            for number, count in sorted(counts.items(), key=lambda each: -each[1])
        ),
    )
