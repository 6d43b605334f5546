"""What a server stands on goes away under it: its directory, its store, its clock."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.command_line import run, run_process
from tests.fleet import Fleet, running_fleet
from tests.waiting import PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.faults("process"), pytest.mark.unmeasured]

_ERRORS = {"error", "critical"}
JUMPS = [-3_600, 86_400, 0]


def reasons(fleet: Fleet) -> set[str]:
    """The names of what each worker says that it is less than ready for."""
    said = {reason["name"] for said in fleet.ready().values() for reason in said["reasons"]}
    return said - {"loop_late"}  # which a busy machine may be


def recorded(fleet: Fleet, **environment: str) -> list[dict[str, Any]]:
    """What `log` finds, run in this process, or in one of its own with an environment.

    Nothing, if the store is just being made or written by others.
    """
    command = ("log", "--config", str(fleet.config), "--format", "json", "--limit", "1000")
    told = run_process(*command, **environment) if environment else run(*command)
    assert told.returncode == 0 or "then try again" in told.stderr, told.stderr
    return [msgspec.json.decode(line) for line in told.stdout.splitlines()]


def test_a_state_directory_that_is_deleted_is_made_again_and_named_until_the_restart(
    tmp_path: Path,
):
    with running_fleet(tmp_path, workers=2) as fleet:
        assert fleet.post().status_code == 200
        assert wait_for(lambda: recorded(fleet))
        assert reasons(fleet) == set()
        fleet.state_dir.rename(tmp_path / "moved")  # at once, as it is made again within a second
        shutil.rmtree(tmp_path / "moved")
        wait_for(lambda: reasons(fleet) == {"state_directory_replaced"})
        answer = fleet.post()
        wait_for(lambda: fleet.record(answer)["id"] in {one["id"] for one in recorded(fleet)})
        errors = [line for line in fleet.lines() if line["level"] in _ERRORS]

        assert answer.status_code == 200
        assert fleet.stop() == 0
    assert [line["event"] for line in errors] in [[], ["store_failed"]]


def test_one_that_cannot_be_made_again_is_named_and_does_not_flood_the_log(tmp_path: Path):
    with running_fleet(tmp_path, workers=2) as fleet:
        fleet.state_dir.rename(tmp_path / "moved")
        fleet.state_dir.write_text("in the way")
        for _ in range(20):
            assert reasons(fleet) == {"state_directory_missing"}
            assert fleet.post().status_code == 200
        errors = Counter(line["event"] for line in fleet.lines() if line["level"] in _ERRORS)
        fleet.state_dir.unlink()
        (tmp_path / "moved").rename(fleet.state_dir)
        wait_for(lambda: reasons(fleet) == set())
        assert fleet.post().status_code == 200
        store = fleet.state_dir / "traffic" / "traffic.db"
        wait_for(store.exists)  # on a busy machine it takes longer to make than `log` waits
        wait_for(lambda: len(recorded(fleet)) == 21)

    # Of each worker, for what it tells the others and for what it reads of the loader; and of that.
    assert errors["state_not_shared"] <= 5
    assert errors["journal_failed"] <= 2
    assert errors["store_failed"] <= 2


@pytest.mark.parametrize("verb", ["log", "report"])
def test_a_verb_that_reads_a_locked_store_reads_what_is_there(fleet: Fleet, verb: str):
    with locked(fleet):
        told = run_process(verb, "--config", str(fleet.config))

    assert told.returncode == 0, told.stderr
    assert "claude-" in told.stdout


def test_a_verb_that_writes_a_locked_store_says_who_has_it_and_ends(fleet: Fleet):
    file = fleet.state_dir / "traffic" / "traffic.db"
    with locked(fleet):
        told = run_process("traffic", "rebuild", "--config", str(fleet.config))

    assert told.returncode == 2
    assert f"{file} is locked by another program (" in told.stderr
    assert f"process {os.getpid()}): let it finish, or stop it, then try again" in told.stderr


@contextmanager
def locked(fleet: Fleet) -> Iterator[None]:
    """Somebody else writes the store, for as long as it takes."""
    file = fleet.state_dir / "traffic" / "traffic.db"
    with closing(sqlite3.connect(file, PATIENCE_SECONDS, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("locked")) as running:
        assert running.post().status_code == 200
        wait_for(lambda: recorded(running))
        yield running


@pytest.fixture
def wall_clock(tmp_path: Path) -> Path:
    """A library that sets the clock for one process alone and for its children."""
    compiler, library = shutil.which("cc"), tmp_path / "wall_clock.so"
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = Path(__file__).with_name("wall_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def with_all(markers: list[str], listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is listed, once each of the markers is among it."""
    return listed if {line["user_agent"] for line in listed} >= set(markers) else []


def test_a_clock_that_jumps_loses_and_doubles_no_record(tmp_path: Path, wall_clock: Path):
    offset = tmp_path / "offset"
    environment: dict[str, Any] = {"LD_PRELOAD": str(wall_clock), "CLOCK_OFFSET_FILE": str(offset)}
    with running_fleet(tmp_path, workers=2, **environment) as fleet:
        markers: list[str] = []
        for seconds in JUMPS:
            offset.with_suffix(".new").write_text(str(seconds))
            offset.with_suffix(".new").rename(offset)
            answers = [fleet.post() for _ in range(50)]
            markers.extend(answer.request.headers["user-agent"] for answer in answers)
            listed = wait_for(lambda: with_all(markers, recorded(fleet, **environment)))
            days = {line["received"][:13] for line in listed}

    assert Counter(line["user_agent"] for line in listed) == Counter(dict.fromkeys(markers, 1))
    assert len(days) >= len(JUMPS)
