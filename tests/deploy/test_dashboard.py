"""The dashboard's queries, answered by a real Prometheus that has scraped a real Holdover."""

from __future__ import annotations

import json
import math
import random
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests import dashboard
from tests.dashboard import Panel
from tests.deploy.mixed_traffic import MixedTraffic, watched_fleet
from tests.deploy.prometheus import JOB, Prometheus, asked_for_all, find_prometheus, prometheus
from tests.fleet import Fleet, running_fleet
from tests.waiting import wait_for

SDK: Final = "grafana-foundation-sdk==1769699998!10.1.0"
"""Types of a dashboard, made of Grafana's own schema."""
MAY_BE_EMPTY: Final = {
    "bytes of {{kind}}": "nothing is dropped before the journal has filled a disk",
}
"""Legends of queries that have no data in this run, each with the reason."""
READ: Final = """
import json, sys
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

print(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(json.load(sys.stdin))))
"""


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MixedTraffic]:
    """A Holdover of two workers with rules, callers and a webhook."""
    with watched_fleet(tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture(scope="module")
def answering(
    traffic: MixedTraffic, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """
    A Prometheus that has scraped it before, between and after traffic of every kind.

    It scrapes a second Holdover as well, of one worker and without anything to do.
    """
    if find_prometheus() is None:
        pytest.skip("there is no Prometheus on this machine: apt-get install prometheus")
    numbers = tmp_path_factory.mktemp("prometheus")
    with (
        running_fleet(tmp_path_factory.mktemp("idle")) as idle,
        prometheus(numbers, *map(target_of, (traffic.fleet, idle))) as running,
    ):
        chance = random.Random(16)  # noqa: S311 - no secret
        for _ in range(2):  # a rate needs a series before it has changed
            traffic.round(chance)
            traffic.trouble()
            traffic.crowd()
            traffic.trip_the_guard()
            traffic.move_share(60)
            scrapes = f'count_over_time(up{{job="{JOB}"}}[1h])'
            before = float(running.query(scrapes)[0]["value"][1])
            wait_for(lambda: float(running.query(scrapes)[0]["value"][1]) > before + 2)  # noqa: B023
        wait_for(lambda: "guard_tripped.began" in traffic.webhook.types())
        yield running


def target_of(fleet: Fleet) -> str:
    """Where it is scraped."""
    return fleet.url.removeprefix("http://")


@pytest.mark.parametrize("panel", dashboard.panels(), ids=lambda panel: panel.title)
def test_every_query_is_answered_and_has_data(panel: Panel, answering: Prometheus):
    for legend, expression in panel.expressions.items():
        series = answering.query(asked_for_all(expression, "1m"))
        numbers = [float(each["value"][1]) for each in series]
        has_data = any(map(math.isfinite, numbers))

        assert has_data != (legend in MAY_BE_EMPTY), f"{legend}: {expression}: {series}"


def test_instances_are_summed_and_one_can_be_chosen(traffic: MixedTraffic, answering: Prometheus):
    panel = next(each for each in dashboard.panels() if each.title == "Instances that answer")
    (expression,) = panel.expressions.values()

    def answers(instance: str) -> list[str]:
        chosen = expression.replace("$job", JOB).replace("$instance", instance)
        return [each["value"][1] for each in answering.query(chosen)]

    assert answers(".*") == ["2"]
    assert answers(target_of(traffic.fleet)) == ["1"]
    assert answers("nobody") == []


def test_what_grafana_would_read_is_all_that_is_written():
    text = dashboard.FILE.read_text()
    done = subprocess.run(
        ["uv", "run", "--quiet", "--no-project", "--with", SDK, "python", "-c", READ],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    assert differences(json.loads(text), json.loads(done.stdout)) == []


def differences(written: Any, read: Any, place: str = "") -> list[str]:
    """The places where something that is written was not read, or not as it was meant."""
    match written, read:
        case dict(), dict():
            missing = [f"{place}.{name}" for name in written.keys() - read.keys()]
            common = written.keys() & read.keys()
            return missing + [
                each
                for name in sorted(common)
                for each in differences(written[name], read[name], f"{place}.{name}")
            ]
        case list(), list() if len(written) == len(read):
            pairs = enumerate(zip(written, read, strict=True))
            return [
                each
                for at, (one, other) in pairs
                for each in differences(one, other, f"{place}[{at}]")
            ]
        case _:
            return [] if written == read else [f"{place}: {written!r} is read as {read!r}"]
