"""The rules file goes wrong under load: nothing is dropped, and the last good rules stay."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.load import load_on
from tests.fleet import Fleet, marked, running_fleet
from tests.harness import body
from tests.waiting import wait_for

GOOD = """
[[rollout]]
name = "good"
action = "forward"
share = 100

[[rollout]]
name = "later"
action = "translate"
"""
NEVER = """
[[rollout]]
name = "never"
action = "forward"
"""
BETTER = GOOD.replace('"good"', '"better"').replace('"forward"', '"translate"')


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), GOOD, workers=2) as running:
        yield running


def garbage(file: Path) -> None:
    file.write_bytes(bytes(range(1, 256)) * 40)


def half_written(file: Path) -> None:
    head, key, _ = file.read_text().partition("share =")
    file.write_text(head + key)


def emptied(file: Path) -> None:
    file.write_text("")


def deleted(file: Path) -> None:
    file.unlink()


def a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def unreadable(file: Path) -> None:
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("root may read everything; a directory in its place stands in for this")


@pytest.mark.without_coverage
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (garbage, ": is not UTF-8"),
        (half_written, ": Invalid value (at end of document)"),
        (emptied, ": is empty"),
        (deleted, ": no such file"),
        (a_directory, ": is not a file"),
        (unreadable, ": Permission denied"),
    ],
)
def test_damage_drops_nothing_is_said_aloud_and_can_be_mended(
    fleet: Fleet, damage: Callable[[Path], None], problem: str
):
    fleet.follow(GOOD)
    versions = fleet.settings_of_workers("version")
    with load_on(fleet) as load:
        damage(fleet.config)
        fleet.wait_for_problem(str(fleet.config), problem)
        load.wait_for_more()
        during = load.latest(10)
        followed = fleet.settings_of_workers("version")
        is_bad = fleet.number("holdover_settings_bad")
        fleet.follow(BETTER)
        load.wait_for_more()

    logged = fleet.lines("settings_bad")[-1]
    assert (during, followed, is_bad) == ({"good"}, versions, 1)
    assert (logged["level"], logged["following"]) == ("error", next(iter(versions)))
    assert problem in logged["problem"]
    assert list(dict.fromkeys(load.outcomes.values())) == ["good", "better"]
    assert wait_for(lambda: load.is_accounted_for(fleet))
    assert fleet.settings_of_workers("problem") == {None}
    assert fleet.number("holdover_settings_bad") == 0


@pytest.mark.thorough
def test_each_mistake_is_told_with_its_place_and_changes_nothing(fleet: Fleet):
    fleet.follow(GOOD)
    versions = fleet.settings_of_workers("version")
    for text, problem in [
        ("<!DOCTYPE html>\n<title>503</title>\n", ", line 1, column 1: invalid statement"),
        ("\n \n\t\n", ": is empty"),
        (f"refuse = {'[' * 100_000}\n", ": is nested too deeply"),
        (
            fleet.text(f"{GOOD}\nshades = 5"),
            ', line 19: rule "later": unknown setting `shades`; did',
        ),
        (fleet.text(GOOD + NEVER), ", line 19: rule \"never\": can never match: 'later' takes all"),
        (fleet.text(GOOD, "models = 5"), ", line 8: models: must be a table"),
        (fleet.text(GOOD, "port = 5\nport = 6"), ", line 8: `port` is given twice"),
    ]:
        fleet.write(text)
        fleet.wait_for_problem(f"{fleet.config}{problem}")

        assert fleet.settings_of_workers("version") == versions
        assert {rule_of(door) for door in fleet.doors.values()} == {"good"}


def test_what_was_there_before_the_damage_is_good_again_when_it_comes_back(fleet: Fleet):
    fleet.follow(GOOD)
    versions = fleet.settings_of_workers("version")
    away = fleet.config.with_suffix(".away")
    fleet.config.rename(away)
    fleet.wait_for_problem("no such file")
    away.rename(fleet.config)
    fleet.wait_for_recovery()

    assert fleet.settings_of_workers("version") == versions
    assert fleet.number("holdover_settings_bad") == 0


def test_a_hangup_does_not_make_bad_rules_good(fleet: Fleet):
    fleet.follow(GOOD)
    workers = fleet.workers
    fleet.write("[[rollout]\n")
    fleet.wait_for_problem("expected")
    before = bad_reads(fleet)
    fleet.process.send_signal(signal.SIGHUP)
    wait_for(lambda: bad_reads(fleet) == before + len(workers))

    assert fleet.workers == workers
    assert {rule_of(door) for door in fleet.doors.values()} == {"good"}


@pytest.mark.thorough
def test_a_worker_that_dies_meanwhile_is_replaced_by_one_with_the_last_good_rules(tmp_path: Path):
    with running_fleet(tmp_path, GOOD, workers=2) as fleet:
        fleet.follow(BETTER)
        fleet.write("share = = 5\n")
        fleet.wait_for_problem("invalid value")
        dead, alive = fleet.doors
        os.kill(dead, signal.SIGKILL)
        fleet.process.send_signal(signal.SIGHUP)
        fleet.wait_for_successor(dead)
        rules = {rule_of(door) for door in fleet.doors.values()}
        fleet.wait_for_problem("invalid value")
        fleet.follow(GOOD)

        assert alive in fleet.doors
        assert dead not in fleet.doors
        assert rules == {"better"}
        assert {rule_of(door) for door in fleet.doors.values()} == {"good"}


def bad_reads(fleet: Fleet) -> float:
    return fleet.number("holdover_settings_reads_total", outcome="bad")


def rule_of(door: httpx.Client) -> str | None:
    """The rule by which one worker decides."""
    answer = door.post("/v1/complete", headers=marked(), json=body(model="claude-2.1"))
    rule: str | None = answer.headers.get("holdover-rule")
    return rule
