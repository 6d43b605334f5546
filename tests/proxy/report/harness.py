"""Reports of a real store with a few exchanges in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from proxy.outcome import Outcome
from proxy.report.build import build_report
from proxy.report.callers import ReportSettings
from proxy.report.collect import collect_report_input
from proxy.report.model import Report
from proxy.traffic import MadeAdjustment, default_url
from proxy.traffic.store.aggregates import Ending, ShapeGroup
from tests.ready_store import open_ready
from translators import Policy

NOW = 1_795_392_000_000 + 12 * 3_600_000  # noon of 2026-11-23
DAY_MS = 86_400_000
PRESENT = ReportSettings(policy=Policy(), prices={}, today="2026-11-23")


def made(kind: str, asked: str = "a", sent: str = "b") -> MadeAdjustment:
    return MadeAdjustment(kind, "field", asked, sent)  # type: ignore[arg-type]


def report_of(
    directory: Path,
    entries: Iterable[Any],
    *,
    caller: str | None = None,
    since_ms: int = NOW - DAY_MS,
    present: ReportSettings = PRESENT,
) -> Report:
    """The last day before that noon."""
    store = open_ready(default_url(directory))
    store.add(entries)
    gathered = collect_report_input(store, since_ms, NOW, caller, present.names)
    store.close()
    return build_report(gathered, present, NOW)


def shaped(**fields: Any) -> ShapeGroup:
    """One exchange as it is counted."""
    plain: dict[str, Any] = {
        "shape": 1,
        "who": "nightly",
        "name": "nightly",
        "digest": None,
        "dialect": "2023-06-01",
        "streamed": False,
        "features": "[]",
        "rule": None,
        "asked": "claude-2.1",
        "sent": "claude-haiku-4-5-20251001",
        "adjustments": "[]",
        "ending": Ending("translate", 200, None, Outcome.ANSWERED),
        "exchanges": 1,
        "first_ms": NOW,
        "last_ms": NOW,
        "input_tokens": 6.0,
        "output_tokens": 14.0,
        "captured": 0,
    }
    return ShapeGroup(**(plain | fields))
