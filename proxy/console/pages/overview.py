"""The overview: how far the migration is, what happens now, and what needs somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from proxy.console.reports import brief_report_of, report_of, report_settings_of
from proxy.console.server_client import ServerAnswer
from proxy.console.site import CurrentSettings
from proxy.console.visit import Visit
from proxy.report.burndown import Burndown, burndown_of
from proxy.report.callers import ReportSettings
from proxy.report.model import Report
from proxy.timestamps import DAY_MS, MINUTE_MS
from proxy.traffic.store.aggregates import exchanges_by_day
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.rollups.build import progress_of
from proxy.traffic.store.rollups.period import period_of_buckets
from proxy.traffic.store.store import Store

_RECENT_MS: Final = 15 * MINUTE_MS
_RECENT_SECONDS: Final = 2
_DAYS: Final = 30
_HISTORY_SECONDS: Final = 10
_MAX_ADJUSTMENTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that needs a person."""

    text: str
    advice: str = ""
    path: str | None = None
    """Page on which something can be done about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    report: Report
    burndown: Burndown
    left: int
    """Number of older exchanges that neither counts yet."""


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
    settings, now_ms = report_settings_of(current.settings, visit.now), visit.now_ms

    async def look_at_now() -> Report:
        return await visit.site.query(report_of, settings, now_ms, now_ms - _RECENT_MS)

    async def look_back() -> _History:
        return await visit.site.query(_history, settings, now_ms)

    remembered, version = visit.site.remembered, current.version
    try:
        recent = await remembered.get(("recent", version), _RECENT_SECONDS, look_at_now)
        history = await remembered.get(("history", version), _HISTORY_SECONDS, look_back)
    except StoreError as exc:
        # The server may know why, and has other problems that should be seen now.
        return await visit.page(
            "overview_blind.html",
            503,
            store_problem=f"{exc}.",
            alerts=[*_alerts(server, current, left=0)],
            readiness=server.readiness,
        )
    return await visit.page(
        "overview.html",
        recent=recent,
        month=history.report,
        burndown=history.burndown,
        days=_DAYS,
        alerts=[*_alerts(server, current, history.left)],
        readiness=server.readiness,
        most_adjustments=_MAX_ADJUSTMENTS,
    )


def _alerts(server: ServerAnswer, current: CurrentSettings, left: int) -> Iterator[Alert]:
    if server.silence:
        yield Alert(text=server.silence)
    said = server.readiness
    if said is not None and said.override is not None:
        yield Alert(
            text=f"The kill switch is on: every request is answered by `{said.override}`, whatever "
            "the rules say.",
            path="/rollout",
        )
    problems = said.problems if said is not None else ()
    for each in problems:
        yield Alert(text=each.text, advice=each.advice, path=_PATHS.get(each.kind))
    is_known = any(each.kind == "settings_bad" for each in problems)
    if current.problem and not is_known:  # the server has not read it yet
        yield Alert(text=f"The settings file is invalid: {current.problem}.", path="/rollout")
    if left:
        yield Alert(
            text=f"The sums of {left:,} older exchanges are still being built and are missing "
            "here; `holdover traffic rebuild` shows how far that is."
        )


def _history(store: Store, settings: ReportSettings, now_ms: int) -> _History:
    since_ms = now_ms - _DAYS * DAY_MS
    with store.reading() as connection:
        rows = exchanges_by_day(connection, period_of_buckets(connection, since_ms, now_ms + 1))
        left = progress_of(connection).left
    return _History(
        report=brief_report_of(store, settings, now_ms, since_ms),
        burndown=burndown_of(rows, now_ms // DAY_MS, settings.names),
        left=left,
    )
