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
            if name := each.asked if each.ending.route == "forward" else each.sent:
                model = catalogue.find(name)  # an alias and its id are one model
                counts = hit.setdefault(model.id if model else name, {})
                counts[number] = counts.get(number, 0) + each.exchanges
    found = [
        Retirement(
            model=name,
            retires=model.retires,
            not_before=None if ending.is_certain else ending.day,
            days_left=ending.days_left,
            successor=model.successor,
            exchanges=sum(counts.values()),
            callers=tuple(
                HitCaller(name=known[number].name, digest=known[number].digest, count=count)
                for number, count in sorted(counts.items(), key=lambda each: -each[1])
            ),
        )
        for name, counts in hit.items()
        if (model := catalogue.find(name)) and (ending := ending_of(model, today))
    ]
    return tuple(
        sorted(
            found,
            key=lambda each: (each.is_past, -each.days_left if each.is_past else each.days_left),
        )
    )
