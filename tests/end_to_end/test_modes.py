"""Whatever the umask, nobody but its owner gets at anything that a command has made."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from proxy.traffic import journal_directory
from proxy.traffic.journal.segments import RECORDS, SegmentWriter
from tests.command_line import HOLDOVER
from tests.fleet import rule, running_fleet
from tests.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.unmeasured

DIRECTORY, FILE = 0o700, 0o600


def modes_in(place: Path) -> dict[str, int]:
    """All that is in a directory, by its path there."""
    return {
        str(path.relative_to(place)): stat.S_IMODE(path.lstat().st_mode)
        for path in place.rglob("*")
        if path.exists()
    }


def open_to_others(place: Path) -> dict[str, str]:
    """What is not for its owner alone."""
    return {
        name: oct(mode)
        for name, mode in modes_in(place).items()
        if mode != (DIRECTORY if (place / name).is_dir() else FILE)
    }


def run(*arguments: str, umask: int, state: Path) -> None:
    done = subprocess.run(
        [*HOLDOVER, *arguments],
        capture_output=True,
        text=True,
        umask=umask,
        env=os.environ | {"XDG_STATE_HOME": str(state)},
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
def test_what_verbs_make_is_their_owners_alone(tmp_path: Path, umask: int):
    place = tmp_path / "home"
    place.mkdir(mode=0o755)
    state = place / "local" / "state"
    run("demo", "--once", "--port", "0", umask=umask, state=state)
    journal = SegmentWriter(journal_directory(state / "holdover"), RECORDS)
    journal.append(b"of another version")
    journal.close()
    run("log", umask=umask, state=state)
    run("replay", "--demo", "--limit", "2", umask=umask, state=state)
    output = ("--format", "markdown", "--output", str(place / "report.md"))
    run("report", "--demo", *output, umask=umask, state=state)

    names = modes_in(place).keys()
    assert {"report.md", "local/state/holdover/demo/traffic/traffic.db"} <= names
    assert any("/refused/" in name for name in names)
    assert open_to_others(place) == {}


GUARDED = rule("guarded", 'action = "translate"', "guard = { errors_above = 50 }")


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("umask", "workers"), [(0o077, 1), (0o000, 2)])
def test_what_a_server_makes_is_its_owners_alone(tmp_path: Path, umask: int, workers: int):
    place = tmp_path / "state"
    place.mkdir(mode=0o755)
    before = os.umask(umask)
    try:
        with running_fleet(tmp_path, f'capture = "full"\n{GUARDED}', workers=workers) as fleet:
            os.umask(before)
            fleet.ask("guarded")
            wait_for(lambda: any(place.glob("traffic/traffic.db-wal")))
            wait_for((place / "traffic/loader/status").exists)
            wait_for(lambda: any(place.glob("*/tallies/*")))
            while_it_runs = open_to_others(place)
            numbers = [open_to_others(shared) for shared in map(numbers_of, fleet.workers)]
    finally:
        os.umask(before)

    assert while_it_runs == open_to_others(place) == {}
    assert numbers == [{}] * (workers if workers > 1 else 0)
    assert {"digest.key", "traffic/store", "traffic/loader/status"} <= modes_in(place).keys()


def numbers_of(worker: int) -> Path:
    """Where workers count together."""
    environment = Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
    (name,) = [each for each in environment if each.startswith(b"PROMETHEUS_MULTIPROC_DIR=")]
    place = Path(name.partition(b"=")[2].decode())
    assert stat.S_IMODE(place.stat().st_mode) == DIRECTORY
    assert modes_in(place)
    return place
