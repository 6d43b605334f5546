"""The overview: how far the migration is, what happens now, and what needs somebody."""

from __future__ import annotations

from starlette.responses import Response

from proxy.console.reports import report_of, report_settings
from proxy.console.visit import Visit
from proxy.timestamps import DAY_MS, MINUTE_MS


async def overview(visit: Visit) -> Response:
    """Show the overview."""
    current = await visit.site.settings()
    server = await visit.site.server.ask()
    settings, now_ms = report_settings(current.settings, visit.now), visit.now_ms
    recent = await visit.site.query(report_of, settings, now_ms, now_ms - 15 * MINUTE_MS)
    month = await visit.site.query(report_of, settings, now_ms, now_ms - 30 * DAY_MS)
    return await visit.page(
        "overview.html", recent=recent, month=month, server=server, current=current
    )
