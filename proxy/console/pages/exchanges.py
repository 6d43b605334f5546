"""Recorded exchanges, newest first, by the filters of `holdover log`, page by page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from starlette.responses import Response

from proxy.config.build import names_of_digests
from proxy.config.settings import Settings
from proxy.console.visit import Visit
from proxy.spelling import nearest
from proxy.time_options import InvalidTime
from proxy.traffic.store.filter_options import (
    ADJUSTMENTS,
    ROUTES,
    filter_of,
    reads_too_much,
    with_names,
)
from proxy.traffic.store.filters import Filter, InvalidFilter
from proxy.traffic.store.queries import (
    ExchangePage,
    Place,
    has_contents_of,
    names_in,
    page_before,
)
from proxy.traffic.store.store import Store
from translators import FEATURES

ROWS: Final = 50
_MAX_NAMES: Final = 500
"""Limit on the names that a field suggests."""
_FIRST: Final = ("caller", "status", "since", "until", "text")
_MORE: Final = ("model", "adjustment", "rule", "route", "feature", "sdk")
"""Fields that are folded away unless one of them is used."""
_STATUSES: Final[Mapping[str, str]] = {
    "ok": "answered",
    "error": "an error",
    "refused": "refused",
    "gone": "client left",
    "2xx": "2xx",
    "4xx": "4xx",
    "5xx": "5xx",
    "400": "400",
    "401": "401",
    "404": "404",
    "413": "413",
    "429": "429",
    "500": "500",
    "503": "503",
    "529": "529",
}
_PLACE: Final = re.compile(r"(-?\d{1,15})\.(\d{1,15})", re.ASCII)
_IN_CONTENTS: Final = (
    "No contents were kept for these exchanges (see the setting `capture`), so only their records "
    "are searched for the text."
)
_TOO_MUCH: Final = (
    "More than {:,} exchanges would have their bodies read, one by one. "
    "Say since when, or narrow it by a caller, a rule or a status; the setting "
    "`traffic_text_index` keeps an index that makes this fast."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A page of exchanges, and what helps to choose others."""

    page: ExchangePage | None
    """The exchanges of the page; None if a text would be searched in too many bodies."""
    has_contents: bool
    callers: list[str]
    rules: list[str]


async def exchanges(visit: Visit) -> Response:
    """Show the newest exchanges that the filters select, or those before a place."""
    given = {
        name: value for name in (*_FIRST, *_MORE) if (value := visit.parameter(name)) is not None
    }
    problems = _problems(given, visit.now)
    before = visit.parameter("before")
    place = _place_of(before)
    if before is not None and place is None:
        problems["before"] = "This address names no place in the list; begin at the newest."
    settings = (await visit.site.settings()).settings
    # With a filter that is not valid nothing is looked up, but the form still suggests names.
    names = names_of_digests(settings)
    wanted = None if problems else with_names(filter_of(given, visit.now), names)
    most = visit.site.most_searched
    found = await visit.site.query(_find, wanted, place, settings, most)
    if wanted is not None and found.page is None:
        problems["text"] = _TOO_MUCH.format(most)
    shown = found.page.found if found.page else ()
    return await visit.page(
        "exchanges.html",
        status=400 if problems else 200,
        given=given,
        problems=problems,
        shows_more=not given.keys().isdisjoint(_MORE),
        found=shown,
        older=_as_parameter(found.page.older) if found.page else None,
        is_newest=place is None,
        refreshes=place is None and not problems and wanted is not None and wanted.text is None,
        notes=[_IN_CONTENTS] if shown and not found.has_contents else [],
        meant=_meant(given, found) if not shown and not problems else {},
        callers=found.callers,
        rules=found.rules,
        choices={
            "status": _STATUSES,
            "adjustment": dict.fromkeys(ADJUSTMENTS),
            "route": dict.fromkeys(ROUTES),
            "feature": dict.fromkeys(FEATURES),
        },
    )


def _problems(given: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return what is wrong with each field, by its name."""
    problems: dict[str, str] = {}
    for name, value in given.items():
        try:
            filter_of({name: value}, now)
        except (InvalidFilter, InvalidTime) as exc:
            problems[name] = f"{exc}."
    if "since" in given and "until" in given and not problems:
        wanted = filter_of(given, now)
        if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
            problems["until"] = "This is not after the time since when."
    return problems


def _place_of(before: str | None) -> Place | None:
    found = _PLACE.fullmatch(before or "")
    return Place(int(found[1]), int(found[2])) if found else None


def _as_parameter(place: Place | None) -> str | None:
    return f"{place.received_ms}.{place.seq}" if place else None


def _find(
    store: Store, wanted: Filter | None, place: Place | None, settings: Settings, most: int
) -> _Found:
    callers = {*settings.callers, *names_in(store, "caller_name")}
    rules = {*(rule.name for rule in settings.rollout), *names_in(store, "rule")}
    page = None
    has_contents = True
    if wanted is not None and not reads_too_much(store, wanted, most):
        has_contents = wanted.text is None or has_contents_of(store, wanted)
        meant = replace(wanted, in_records_only=not has_contents)
        page = page_before(store, meant, place, ROWS)
    return _Found(
        page=page,
        has_contents=has_contents,
        callers=sorted(callers)[:_MAX_NAMES],
        rules=sorted(rules)[:_MAX_NAMES],
    )


def _meant(given: Mapping[str, str], found: _Found) -> dict[str, str]:
    """Return names that were probably meant, for filters that found nothing."""
    return {
        field: near
        for field, known in (("caller", found.callers), ("rule", found.rules))
        if (name := given.get(field)) is not None
        and name not in known
        and (near := nearest(name, known)) is not None
    }
