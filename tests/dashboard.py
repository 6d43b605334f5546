"""
The dashboard for Grafana, made of the panels in dashboard.toml.

`python -m tests.docs` writes it to deploy/grafana/, and the chart has a link there.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

FILE: Final = Path(__file__).parents[1] / "deploy/grafana/dashboard.json"

_PANELS: Final = Path(__file__).with_name("dashboard.toml")
_SELECTED: Final = 'job=~"$job",instance=~"$instance"'
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS: Final = 24
_HEIGHT: Final = 8


class Panel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One panel."""

    title: str
    about: str
    queries: dict[str, str]
    """Queries by their legends."""
    runbook: str | None = None
    """Entry in the runbook that says what to do."""
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    unit: str = "short"
    width: int = 8
    stacked: bool = False
    """True if the queries show parts of a whole."""
    most: float | None = None
    """Upper end of the axis, where it is known."""
    warn_above: float | None = None

    @property
    def expressions(self) -> Mapping[str, str]:
        """Queries as Grafana gets them, by their legends."""
        return {legend: each.replace("SEL", _SELECTED) for legend, each in self.queries.items()}

    @property
    def description(self) -> str:
        """What it shows, and where to read what to do."""
        return f"{self.about} See RUNBOOK.md#{self.runbook}." if self.runbook else self.about


@cache
def rows() -> Mapping[str, list[Panel]]:
    """Return the panels by the row that they stand in, from left to right."""
    return msgspec.convert(tomllib.loads(_PANELS.read_text()), dict[str, list[Panel]])


def panels() -> list[Panel]:
    """Return the panels of all rows."""
    return [panel for row in rows().values() for panel in row]


def made() -> str:
    """Return the dashboard as the file has to be."""
    dashboard = {
        "uid": "holdover",
        "title": "Holdover",
        "description": "Made of tests/dashboard.toml by `python -m tests.docs`.",
        "tags": ["holdover"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "links": [],
        "panels": list(_placed()),
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _variables() -> list[dict[str, Any]]:
    everything = {"text": "All", "value": "$__all"}
    chosen = [
        {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": _DATASOURCE,
            "query": {"query": f"label_values({source}, {name})", "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": everything,
        }
        for name, label, source in (
            ("job", "Job", "holdover_build_info"),
            ("instance", "Instance", 'holdover_build_info{job=~"$job"}'),
        )
    ]
    datasource = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
    }
    return [datasource, *chosen]


def _placed() -> Iterator[dict[str, Any]]:
    """Yield the rows and panels with their places; a panel that has no room begins a new line."""
    number, top = 1, 0
    for title, row in rows().items():
        place = {"x": 0, "y": top, "w": _COLUMNS, "h": 1}
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        number, top, left, height = number + 1, top + 1, 0, 0
        for panel in row:
            if left + panel.width > _COLUMNS:
                left, top = 0, top + height
            height = _HEIGHT // 2 if panel.kind == "stat" else _HEIGHT
            place = {"x": left, "y": top, "w": panel.width, "h": height}
            yield _panel(panel, number) | {"gridPos": place}
            number, left = number + 1, left + panel.width
        top += height


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                "range": panel.kind == "timeseries",
                "instant": panel.kind != "timeseries",
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for place, (legend, expression) in enumerate(panel.expressions.items())
        ],
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.warn_above is not None:
        steps.append({"color": "red", "value": panel.warn_above})
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.kind == "timeseries":
        defaults["min"] = 0
        defaults["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 40 if panel.stacked else 10,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "off" if panel.warn_above is None else "line"},
        }
    if panel.most is not None:
        defaults["max"] = panel.most
    return defaults


_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "none",
    },
    "table": {"showHeader": True},
}
"""Options of the kinds of panels."""
