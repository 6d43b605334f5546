"""The overview: how far the migration is, what happens now, and what needs somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from proxy.console.reports import report_of, report_settings
from proxy.console.server_client import ServerAnswer
from proxy.console.site import CurrentSettings
from proxy.console.visit import Visit
from proxy.report.burndown import Burndown, burndown_of
from proxy.timestamps import DAY_MS, MINUTE_MS
from proxy.traffic.store.aggregates import exchanges_by_day
from proxy.traffic.store.rollups.build import progress_of
from proxy.traffic.store.rollups.period import period_of_buckets
from proxy.traffic.store.store import Store

_RECENT_MS: Final = 15 * MINUTE_MS
_DAYS: Final = 30
_MAX_ADJUSTMENTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that needs a person."""

    text: str
    advice: str = ""
    path: str | None = None
    """Page on which something can be done about it."""


_PATHS: Final[Mapping[str, str]] = {
    "guard_tripped": "/rollout",
    "model_retires": "/models",
    "settings_bad": "/rollout",
}
"""Pages on which something can be done about a problem, by its kind."""


async def overview(visit: Visit) -> Response:
    """Show the overview."""
    current = await visit.site.settings()
    server = await visit.site.server.ask()
    settings, now_ms = report_settings(current.settings, visit.now), visit.now_ms
    recent = await visit.site.query(report_of, settings, now_ms, now_ms - _RECENT_MS)
    month = await visit.site.query(report_of, settings, now_ms, now_ms - _DAYS * DAY_MS)
    burndown, left = await visit.site.query(_burndown, now_ms)
    return await visit.page(
        "overview.html",
        recent=recent,
        month=month,
        burndown=burndown,
        days=_DAYS,
        alerts=[*_alerts(server, current, left)],
        readiness=server.readiness,
        most_adjustments=_MAX_ADJUSTMENTS,
    )


def _alerts(server: ServerAnswer, current: CurrentSettings, left: int) -> Iterator[Alert]:
    if server.silence:
        yield Alert(text=server.silence)
    kinds: set[str] = set()
    for each in (server.readiness or {}).get("problems", ()):
        kinds.add(each["kind"])
        yield Alert(text=each["text"], advice=each["advice"], path=_PATHS.get(each["kind"]))
    if current.problem and "settings_bad" not in kinds:  # the server has not read it yet
        yield Alert(text=f"The settings file is invalid: {current.problem}.", path="/rollout")
    if left:
        yield Alert(
            text=f"The sums of {left:,} older exchanges are still being built and are missing "
            "here; `holdover traffic rebuild` shows how far that is."
        )


def _burndown(store: Store, now_ms: int) -> tuple[Burndown, int]:
    """Return the burndown, and the number of older exchanges that it does not count yet."""
    with store.reading() as connection:
        period = period_of_buckets(connection, now_ms - _DAYS * DAY_MS, now_ms + 1)
        rows = exchanges_by_day(connection, period)
        left = progress_of(connection).left
    return burndown_of(rows, now_ms // DAY_MS), left
