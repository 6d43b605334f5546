"""What the demo leaves behind, so that a log and a report have something to show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from proxy.cli.demo_clients import OLD_CLIENTS, settings_for
from proxy.report.values import Report
from proxy.settings import load_settings

pytestmark = pytest.mark.timeout(60)


def run(*arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_STATE_HOME": str(state)},
        timeout=30,
        check=True,
    )


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def said(state: Path) -> subprocess.CompletedProcess[str]:
    """Of one demo."""
    return run("demo", "--once", "--port", "0", state=state)


@pytest.fixture(scope="module")
def report(state: Path, said: subprocess.CompletedProcess[str]) -> Report:
    """Of what it left behind."""
    assert said.returncode == 0
    written = run("report", "--demo", "--format", "json", state=state)
    return msgspec.json.decode(written.stdout, type=Report)


def test_it_says_how_to_see_who_calls_and_where_that_is_kept(state, said):
    assert "holdover report --demo --format html --output report.html" in said.stdout
    assert f"kept in {state / 'holdover/demo'}, texts too, keys not." in said.stdout


def test_it_does_not_drown_what_it_shows_in_lines_of_the_log(said):
    assert said.stderr == ""


def test_it_keeps_its_evidence_apart_from_its_users_own(state, report):
    assert [path.name for path in (state / "holdover").iterdir()] == ["demo"]
    assert report.totals.exchanges == 1 + sum(1 for each in OLD_CLIENTS for _ in each.requests())
    assert report.coverage.with_bodies == report.totals.exchanges


def test_clients_of_every_age_have_called(report):
    sdks = {one.name: one.sdks[0].name for one in report.callers if one.name}

    assert sdks == {
        "nightly-batch": "python 0.2.10",
        "support-bot": "python 0.3.11",
        "web-chat": "js 0.5.0",
        "shop-window": "typescript 0.4.4",
        "handbook-search": "python 0.7.8",
        "form-filler": "python 0.18.1",
        "price-import": "python 0.39.0",
        "newsletter": "python 0.125.0",
    }
    assert sum(1 for one in report.callers if one.name is None) == 2  # a script, and the example


def test_some_are_ready_and_others_not(report):
    ready = {one.name for one in report.ready}

    assert "newsletter" in ready
    assert "form-filler" not in ready


def test_some_went_wrong_through_everybodys_fault(report):
    [broken] = [one for one in report.callers if one.name == "price-import"]

    assert {(error.status, error.blame) for error in broken.errors} == {
        (400, "client"),
        (500, "upstream"),
        (529, "upstream"),
    }


def test_shadows_found_one_way_that_changes_nothing_and_one_that_does(report):
    beyond_noise = {one.rule: one.beyond_noise for one in report.shadows}

    assert beyond_noise["cheaper"] == 0
    assert beyond_noise["instruct"] > 0.1


def test_its_settings_are_good():
    settings = load_settings(**settings_for(OLD_CLIENTS))

    assert set(settings.callers) == {each.name for each in OLD_CLIENTS if each.name}
    assert len({each.key for each in OLD_CLIENTS}) == len(OLD_CLIENTS)
