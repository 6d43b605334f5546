"""
A run with a Prometheus beside it, as a picture: every query of the dashboard over that time.

    uv run --group bench --group lint python -m tests.deploy.watched --minutes 10 dashboard.png

The canary's share grows, then the upstream fails, a crowd comes, a guard trips and the settings
file is invalid for a while; what each panel shows of it can be looked at without a Grafana.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests import dashboard
from tests.dashboard import Panel
from tests.deploy.mixed_traffic import MixedTraffic, rules, settings, watched_fleet
from tests.deploy.prometheus import Prometheus, asked_for_all, prometheus

_COLUMNS: Final = 4
_STEP_SECONDS: Final = 5
_UNITS: Final = {
    "reqps": "requests/s",
    "cps": "per s",
    "wps": "rows/s",
    "s": "seconds",
    "bytes": "bytes",
    "percentunit": "share",
    "short": "",
}


@dataclass(frozen=True, slots=True)
class Span:
    """The time of the run, in seconds since the epoch."""

    start: float
    end: float


def watch(minutes: float, picture: Path) -> None:
    """Run, ask every query for that time, and draw the answers."""
    with tempfile.TemporaryDirectory() as directory:
        fleet, numbers = (Path(directory) / name for name in ("fleet", "prometheus"))
        for each in (fleet, numbers):
            each.mkdir()
        with (
            watched_fleet(fleet) as traffic,
            prometheus(
                numbers, traffic.fleet.url.removeprefix("http://"), interval=f"{_STEP_SECONDS}s"
            ) as running,
        ):
            began = time.time()
            run(traffic, minutes * 60)
            draw(running, Span(began, time.time()), picture)


def run(traffic: MixedTraffic, seconds: float) -> None:
    """Send traffic of every kind; in each tenth of the time something else happens besides."""
    began, chance = time.monotonic(), random.Random(16)  # noqa: S311 - no secret
    fleet = traffic.fleet
    good = fleet.text(rules(75), settings(traffic.webhook))
    tenths: list[tuple[Callable[[], object] | None, Callable[[], object] | None]] = [
        (partial(traffic.move_share, 10), None),
        (partial(traffic.move_share, 25), None),
        (None, traffic.trouble),
        (None, traffic.crowd),
        (partial(traffic.move_share, 50), None),
        (traffic.trip_the_guard, None),
        (partial(fleet.write, fleet.text("nonsense = 1")), None),
        (partial(fleet.write, good), None),
        (partial(traffic.move_share, 100), None),
        (None, None),
    ]
    for number, (first, meanwhile) in enumerate(tenths, 1):
        if first is not None:
            first()
        while time.monotonic() < began + seconds * number / len(tenths):
            traffic.round(chance)
            if meanwhile is not None:
                meanwhile()


def draw(running: Prometheus, span: Span, picture: Path) -> None:
    """Draw every panel, in the order of the dashboard."""
    from matplotlib import pyplot  # noqa: PLC0415 - in the group `bench`, which CI does not install

    panels = dashboard.panels()
    lines = math.ceil(len(panels) / _COLUMNS)
    figure, axes = pyplot.subplots(lines, _COLUMNS, figsize=(_COLUMNS * 4.6, lines * 2.6))
    figure.suptitle(
        f"Every query of deploy/grafana/dashboard.json over {(span.end - span.start) / 60:.0f}"
        " minutes of a Holdover with two workers",
        fontsize=16,
        y=0.997,
    )
    for panel, axis in zip(panels, axes.flat, strict=False):
        _draw_panel(axis, panel, running, span)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis in axes.flat[max(len(panels) - _COLUMNS, 0) : len(panels)]:
        axis.set_xlabel("minutes", fontsize=8)
    figure.tight_layout(rect=(0, 0, 1, 0.99))
    figure.savefig(picture, dpi=100)


def _draw_panel(axis: Any, panel: Panel, running: Prometheus, span: Span) -> None:
    lines = []
    for legend, expression in panel.expressions.items():
        asked = asked_for_all(expression, f"{4 * _STEP_SECONDS}s")
        for series in running.query_range(
            asked, start=span.start, end=span.end, step=_STEP_SECONDS
        ):
            points = {(float(at) - span.start) / 60: float(value) for at, value in series["values"]}
            lines.append((_named(legend, series["metric"]), points))
    if panel.stacked and lines:
        times = sorted({at for _, points in lines for at in points})
        heights = [[points.get(at, 0.0) for at in times] for _, points in lines]
        axis.stackplot(times, heights, labels=[name for name, _ in lines], alpha=0.6)
    else:
        for name, points in lines:
            axis.plot(list(points), list(points.values()), label=name, linewidth=1.2)
    if panel.warn_above is not None:
        axis.axhline(panel.warn_above, color="tab:red", linewidth=0.8, linestyle=":")
    axis.set_title(panel.title, fontsize=10)
    axis.set_ylabel(_UNITS[panel.unit], fontsize=8)
    axis.set_xlim(0, (span.end - span.start) / 60)
    axis.set_ylim(bottom=0, top=None if panel.most is None else panel.most * 1.05)
    axis.tick_params(labelsize=7)
    if lines:
        axis.legend(fontsize=7, loc="upper left", framealpha=0.6, ncols=1 + (len(lines) > 5))
    else:
        axis.text(0.5, 0.5, "nothing of the kind happened", transform=axis.transAxes, ha="center")


def _named(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], "(none)"), legend)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Run a Holdover, and draw its dashboard.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    given = parser.parse_args()
    watch(given.minutes, given.picture)


if __name__ == "__main__":
    main()
