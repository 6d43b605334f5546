"""Models: which are served, what legacy names become, and what retires under whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from starlette.responses import Response

from proxy.config.build import policy_of
from proxy.console.reports import report_settings_of
from proxy.console.visit import Visit
from proxy.model_endings import SOON_DAYS
from proxy.report.asked_models import asked_models
from proxy.report.callers import ReportSettings
from proxy.report.collect import collect_in_brief
from proxy.report.model import HitCaller, Retirement
from proxy.report.model_table import (
    SERVED_COLUMNS,
    ending_in_words,
    endings,
    retired_models,
    served_models,
    served_row,
)
from proxy.report.retirements import retirements_of
from proxy.timestamps import DAY_MS
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.store import Store
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Used:
    """The models that callers have asked for, and the retirements that concern them."""

    is_empty: bool
    """True if nothing was recorded."""
    asked: Mapping[str, tuple[HitCaller, ...]]
    retirements: tuple[Retirement, ...]


_UNKNOWN: Final = _Used(is_empty=True, asked={}, retirements=())


async def models(visit: Visit) -> Response:
    """Show the table of models, and what of it this installation uses."""
    current = await visit.site.settings()
    settings = current.settings
    catalogue = (await visit.site.run(policy_of, settings)).catalogue
    needed, now_ms = report_settings_of(settings, visit.now), visit.now_ms

    async def look() -> _Used:
        return await visit.site.query(_used, needed, now_ms)

    used, problem = _UNKNOWN, None
    try:
        used = await visit.site.remembered.get(("models", current.version), _SECONDS, look)
    except StoreError as exc:
        problem = f"The records cannot be read, so it is not known who asks for what: {exc}."
    today = visit.now.date()
    return await visit.page(
        "models.html",
        used=used,
        store_problem=problem,
        days=_DAYS,
        soon_days=SOON_DAYS,
        endings=[(ending_in_words(*each), each[1].days_left) for each in endings(catalogue, today)],
        names=_names(catalogue, today, used.asked, settings.models),
        columns=SERVED_COLUMNS,
        served=[served_row(model, today) for model in served_models(catalogue, today)],
    )


def _used(store: Store, settings: ReportSettings, now_ms: int) -> _Used:
    collected = collect_in_brief(store, now_ms - _DAYS * DAY_MS, now_ms + 1, settings.names)
    callers = collected.callers.values()
    return _Used(
        is_empty=not callers,
        asked=asked_models(callers),
        retirements=retirements_of(callers, settings.policy.catalogue, settings.today),
    )


def _names(
    catalogue: Catalogue,
    today: date,
    asked: Mapping[str, tuple[HitCaller, ...]],
    mapped: Iterable[str],
) -> list[_Name]:
    """Return the names that become another model: those in use first, then by day."""
    retired = {model.id: model.retires for model, _ in retired_models(catalogue, today)}
    used = {name for name in asked if catalogue.resolve(name, today.isoformat()).id != name}
    found = [
        _Name(
            name=name,
            retired=retired.get(name),
            becomes=catalogue.resolve(name, today.isoformat()).id,
            is_mapped=name in mapped,
            requests=sum(hit.count for hit in asked.get(name, ())),
            callers=asked.get(name, ()),
        )
        for name in {*retired, *used, *mapped}
    ]
    return sorted(found, key=lambda each: (-each.requests, each.retired or "", each.name))
