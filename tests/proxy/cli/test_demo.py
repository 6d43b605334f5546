"""What the demo leaves behind, so that a log and a report have something to show."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from proxy.cli.demo_clients import OLD_CLIENTS
from proxy.report.model import Report
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.unmeasured

README = Path(__file__).parents[3] / "README.md"


def commands() -> list[list[str]]:
    """Those of README's "Log legacy traffic", without `uv run holdover`."""
    section = README.read_text().partition("## 3. Log legacy traffic")[2]
    block = section.partition("```sh\n")[2].partition("```")[0]
    return [shlex.split(line, comments=True)[3:] for line in block.splitlines()]


def run(*arguments: str, state: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_STATE_HOME": str(state), "PYTHONPATH": str(README.parent)},
        cwd=state,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    return done.stdout


@dataclass(frozen=True)
class Shown:
    """What README's three commands show."""

    state: Path
    demo: str
    log: str

    @property
    def page(self) -> str:
        return (self.state / "report.html").read_text()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    state = tmp_path_factory.mktemp("state")
    demo, log, _ = (run(*command, state=state) for command in commands())
    return Shown(state, demo, log)


@pytest.fixture(scope="module")
def report(shown: Shown) -> Report:
    written = run("report", "--demo", "--format", "json", state=shown.state)
    return msgspec.json.decode(written, type=Report)


def test_three_commands_lead_from_nothing_to_a_page(shown):
    assert [command[0] for command in commands()] == ["demo", "log", "report"]
    assert "newsletter" in shown.log
    assert "<h1>10 callers still use Text Completions; " in shown.page
    assert "What is the dress code in hall 3?" in shown.page


def test_it_says_how_to_see_who_calls_and_where_that_is_kept(shown):
    assert "holdover report --demo --format html --output report.html" in shown.demo
    assert f"recorded in {shown.state / 'holdover/demo'}; keys are not." in shown.demo


def test_it_keeps_its_evidence_apart_from_its_users_own(shown, report):
    assert [path.name for path in (shown.state / "holdover").iterdir()] == ["demo"]
    assert report.totals.exchanges == 1 + sum(1 for each in OLD_CLIENTS for _ in each.requests())
    assert report.coverage.with_bodies == report.totals.exchanges


def test_what_was_said_is_kept_but_for_personal_data(shown):
    of_order, of_address = (
        run("log", "--demo", "--text", text, "--format", "json", state=shown.state)
        for text in ("My order has not come", "ann@example.com")
    )

    assert of_order.count("\n") == 2
    assert of_address == ""


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
