"""One outcome for each exchange: the log, its filters, the report, metrics and guards agree."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.outcome import Outcome
from tests.command_line import run
from tests.fleet import Fleet, rule, running_fleet
from tests.waiting import wait_for

pytestmark = pytest.mark.without_coverage

GUARDED = rule("legacy", 'action = "forward"', "guard = { errors_above = 10, min_count = 5 }")
REFUSING = rule("refused", 'action = "refuse"')


def ask(fleet: Fleet, case: str, **given: Any) -> None:
    """Ask; the client sees an answer, an error, or that the connection breaks off."""
    try:
        fleet.ask(case, **given)
    except httpx.RemoteProtocolError as exc:
        assert "without sending complete message body" in str(exc)  # noqa: PT017 - else it passes


def found_by(fleet: Fleet, status: str) -> list[dict[str, Any]]:
    told = run("log", "--config", str(fleet.config), "--status", status, "--format", "json")
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


def report_of(fleet: Fleet) -> Any:
    return wait_for(lambda: complete_report(fleet))


def complete_report(fleet: Fleet) -> Any:
    """The report; None while a busy machine's loader still loads, or has the store to itself."""
    told = run("report", "--config", str(fleet.config), "--format", "json")
    if "try again" in told.stderr:
        return None
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


@pytest.mark.measured
@pytest.mark.thorough
@pytest.mark.parametrize(
    "headers",
    [{"simulate-break-after-events": "3"}, {"simulate-error-after-events": "2"}],
    ids=["breaks off", "sends an error event"],
)
def test_a_forwarded_stream_that_fails_after_its_200_is_an_error_everywhere(
    tmp_path: Path, headers: dict[str, str]
):
    with running_fleet(tmp_path, GUARDED) as fleet:
        for _ in range(2):
            ask(fleet, "other")
        for _ in range(6):
            ask(fleet, "legacy", headers=headers, stream=True, model="claude-2.1")

        tripped = fleet.line("guard_tripped")
        records = wait_for(lambda: fleet.lines("exchange", rule="legacy")[5:]) and fleet.lines(
            "exchange", rule="legacy"
        )
        assert {record["outcome"] for record in records} == {"upstream_error"}
        assert {(record["status"], record["blame"]) for record in records} == {(200, "upstream")}
        failed = fleet.number("holdover_outcomes_total", rule="legacy", outcome="upstream_error")
        assert failed == 6
        outcomes = report_of(fleet)["totals"]["outcomes"]  # once all is loaded
        assert (tripped["rule"], len(found_by(fleet, "error"))) == ("legacy", 6)
        assert len(found_by(fleet, "ok")) == 2
        assert (outcomes["answered"], outcomes["upstream_error"]) == (2, 6)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("case", "given", "outcome", "status"),
    [
        ("other", {}, "answered", "ok"),
        ("refused", {}, "refused", "refused"),
        ("other", {"headers": {"x-api-key": ""}}, "not_admitted", "error"),
        ("other", {"headers": {"simulate-error": "400"}}, "client_error", "error"),
        ("other", {"headers": {"simulate-error": "529"}}, "upstream_error", "error"),
        (
            "other",
            {"headers": {"simulate-break-after-events": "5"}, "stream": True},
            "upstream_error",
            "error",
        ),
    ],
)
def test_the_log_the_report_and_the_metrics_say_the_same_outcome(
    kept: Fleet, case: str, given: dict[str, Any], outcome: str, status: str
):
    before = report_of(kept)["totals"]["outcomes"]
    counted = kept.number("holdover_outcomes_total", outcome=outcome)
    logged = len(kept.lines("exchange"))
    ask(kept, case, **given)

    record = wait_for(lambda: kept.lines("exchange")[logged:])[0]
    assert record["outcome"] == outcome
    assert kept.number("holdover_outcomes_total", outcome=outcome) == counted + 1
    after = report_of(kept)["totals"]["outcomes"]
    assert {name: after[name] - before[name] for name in after} == {
        each.value: int(each.value == outcome) for each in Outcome
    }
    found = {
        word: record["id"] in {each["id"] for each in found_by(kept, word)}
        for word in ("ok", "error", "refused", "gone")
    }
    assert found == dict.fromkeys(found, False) | {status: True}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A fleet for all cases of this file."""
    with running_fleet(tmp_path_factory.mktemp("fleet"), REFUSING) as fleet:
        yield fleet
