"""The report, as the console shows parts of it."""

from __future__ import annotations

from datetime import UTC, datetime

from proxy.config.build import names_of_digests, owners_of, policy_of
from proxy.config.settings import Settings
from proxy.report.build import build_report
from proxy.report.callers import ReportSettings
from proxy.report.collect import collect_in_brief, collect_report_input
from proxy.report.model import Report
from proxy.report.prices import Price
from proxy.traffic.store.store import Store


def report_settings_of(settings: Settings, now: datetime) -> ReportSettings:
    """Return what a report needs of the settings; raises `InvalidSettings`."""
    return ReportSettings(
        policy=policy_of(settings),
        prices={
            pattern: Price(price.input, price.output) for pattern, price in settings.prices.items()
        },
        today=now.astimezone(UTC).date().isoformat(),
        names=names_of_digests(settings),
        owners=owners_of(settings),
    )


def report_of(
    store: Store, settings: ReportSettings, now_ms: int, since_ms: int, caller: str | None = None
) -> Report:
    """Return the report from a time until now, of one caller or of all."""
    collected = collect_report_input(store, since_ms, now_ms + 1, caller, settings.names)
    return build_report(collected, settings, now_ms)


def brief_report_of(store: Store, settings: ReportSettings, now_ms: int, since_ms: int) -> Report:
    """Return the report from a time until now without programs, latencies, shadows, examples."""
    collected = collect_in_brief(store, since_ms, now_ms + 1, settings.names)
    return build_report(collected, settings, now_ms)
