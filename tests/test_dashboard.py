"""The dashboard, as far as it can be judged without a Prometheus (see tests/deploy for one)."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest

from tests import dashboard, docs
from tests.test_docs import anchors

DEPLOY: Final = Path(__file__).parents[1] / "deploy"
FILE: Final = json.loads(dashboard.FILE.read_text())
QUERIES: Final = [
    expression for panel in dashboard.panels() for expression in panel.expressions.values()
]
NOT_OURS: Final = {"up": {"job", "instance"}}
"""Metrics that Prometheus itself makes, and their labels."""
NOT_SHOWN: Final[dict[str, str]] = {}
"""Metrics that are on no panel, each with the reason."""
UNITS: Final = {"short", "reqps", "cps", "wps", "s", "bytes", "percentunit"}
"""Units of Grafana that we use, by the names that it has for them."""


def exported() -> dict[str, set[str]]:
    """The labels of each metric of `/metrics`, as its documented table has them."""
    rows = [line.split(" | ") for line in docs.tables()["metrics"].splitlines()[2:]]
    return {row[0].strip("|` "): set(re.findall(r"`(\w+)`", row[1])) for row in rows}


def metrics_in(query: str) -> set[str]:
    """The metrics of a query; the series of a histogram are one."""
    names = re.findall(r"\b(\w+)\{", query)
    return {name.removesuffix("_bucket") for name in names}


def test_the_file_is_what_the_description_makes():
    assert dashboard.FILE.read_text() == dashboard.made(), "run `python -m tests.docs`"


def test_every_metric_is_shown_or_there_is_a_reason():
    shown = {name for query in QUERIES for name in metrics_in(query)}

    assert sorted(exported().keys() - shown - NOT_SHOWN.keys()) == []
    assert sorted(shown & NOT_SHOWN.keys()) == []


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_metrics_and_labels_that_there_are(query: str):
    known = exported() | NOT_OURS
    names = metrics_in(query)
    labels = {"job", "instance", "le"}.union(*(known.get(name, set()) for name in names))
    given = re.findall(r"(\w+)=~?\"", query)
    grouped = re.findall(r"\b(?:by|ignoring|on) \(([^)]*)\)", query)

    assert names <= known.keys()
    assert {*given, *(label for each in grouped for label in each.split(", "))} <= labels


def test_every_query_asks_for_the_chosen_instances_alone():
    for query in QUERIES:
        selectors = re.findall(r"\w+\{([^}]*)\}", query)

        assert selectors
        assert all(each.startswith('job=~"$job",instance=~"$instance"') for each in selectors)


def test_every_legend_has_the_labels_that_the_query_groups_by():
    for panel in dashboard.panels():
        for legend, query in panel.expressions.items():
            grouped = re.search(r"\bby \(([^)]*)\)", query)
            labels = set(grouped[1].split(", ")) - {"le"} if grouped else set()
            is_one = query.startswith(("count(max by", "sum(", "max("))

            assert set(re.findall(r"{{(\w+)}}", legend)) == (set() if is_one else labels), query


def test_every_panel_says_what_it_shows_and_where_to_read_on():
    entries = anchors((DEPLOY / "RUNBOOK.md").read_text())

    for panel in dashboard.panels():
        assert panel.about.endswith(".")
        assert panel.runbook is None or panel.runbook in entries
        assert panel.unit in UNITS


def test_every_alert_has_its_entry_on_a_panel():
    alerts = (DEPLOY / "prometheus/alerts.yaml").read_text()
    linked = set(re.findall(r"RUNBOOK\.md#(\S+)", alerts))

    assert linked - {panel.runbook for panel in dashboard.panels()} == set()


def test_panels_have_numbers_of_their_own_and_do_not_overlap():
    panels = FILE["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations(panels, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("x", "w"), ("y", "h"))
    )


def test_variables_choose_data_source_job_and_instance():
    variables: list[dict[str, Any]] = FILE["templating"]["list"]

    assert [each["name"] for each in variables] == ["datasource", "job", "instance"]
    assert {
        target["datasource"]["uid"]
        for panel in FILE["panels"]
        for target in panel.get("targets", [])
    } == {"${datasource}"}


def test_the_chart_has_the_same_dashboard():
    assert (DEPLOY / "chart/dashboard.json").resolve() == dashboard.FILE
