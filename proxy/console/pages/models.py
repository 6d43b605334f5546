"""Models: which are served, what legacy names become, and what retires under whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from starlette.responses import Response

from proxy.config.build import policy_of
from proxy.console.reports import brief_report_of, report_settings_of
from proxy.console.visit import Visit
from proxy.model_endings import SOON_DAYS
from proxy.report.model import CallerReport, HitCaller, Report
from proxy.report.model_table import (
    SERVED_COLUMNS,
    ending_in_words,
    endings,
    retired_models,
    served_models,
    served_row,
)
from proxy.timestamps import DAY_MS
from translators import Catalogue

_DAYS: Final = 30
_SECONDS: Final = 60
"""Seconds for which all who look are shown who asks for which model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """A name that another model answers to today."""

    name: str
    retired: str | None
    """The day on which the model of this name has ended; None if it is only mapped."""
    becomes: str
    is_mapped: bool
    """True if the settings say what it becomes."""
    requests: int
    callers: tuple[HitCaller, ...]


async def models(visit: Visit) -> Response:
    """Show the table of models, and what of it this installation uses."""
    current = await visit.site.settings()
    settings = current.settings
    catalogue = (await visit.site.run(policy_of, settings)).catalogue
    needed, now_ms = report_settings_of(settings, visit.now), visit.now_ms

    async def look() -> Report:
        return await visit.site.query(brief_report_of, needed, now_ms, now_ms - _DAYS * DAY_MS)

    report = await visit.site.remembered.get(("models", current.version), _SECONDS, look)
    today = visit.now.date()
    return await visit.page(
        "models.html",
        report=report,
        days=_DAYS,
        soon_days=SOON_DAYS,
        endings=[(ending_in_words(*each), each[1].days_left) for each in endings(catalogue, today)],
        names=list(_names(catalogue, today, report, settings.models)),
        columns=SERVED_COLUMNS,
        served=[served_row(model, today) for model in served_models(catalogue, today)],
    )


def _names(
    catalogue: Catalogue, today: date, report: Report, mapped: Iterable[str]
) -> Iterable[_Name]:
    """Yield the names that become another model: those in use first, then by day."""
    retired = {model.id: model.retires for model, _ in retired_models(catalogue, today)}
    asked = _asked(report.callers)
    used = {name for name in asked if catalogue.resolve(name, today.isoformat()).id != name}
    found = [
        _Name(
            name=name,
            retired=retired.get(name),
            becomes=catalogue.resolve(name, today.isoformat()).id,
            is_mapped=name in mapped,
            requests=sum(hit.count for hit in asked.get(name, ())),
            callers=tuple(asked.get(name, ())),
        )
        for name in {*retired, *used, *mapped}
    ]
    return sorted(found, key=lambda each: (-each.requests, each.retired or "", each.name))


def _asked(callers: Iterable[CallerReport]) -> dict[str, list[HitCaller]]:
    """Return who asks for each model, and how often."""
    asked: dict[str, list[HitCaller]] = {}
    for caller in callers:
        counts: dict[str, int] = {}
        for use in caller.models:
            if use.asked is not None:
                counts[use.asked] = counts.get(use.asked, 0) + use.count
        for name, count in counts.items():
            hit = HitCaller(name=caller.name, digest=caller.digest, count=count)
            asked.setdefault(name, []).append(hit)
    return asked
