"""Where nobody is at home, state is kept in the directory for temporary files, if it is ours."""

import os
import stat
from pathlib import Path

import pytest

from tests.command_line import run_process

pytestmark = pytest.mark.unmeasured

NOBODY_AT_HOME = {"HOME": "~", "XDG_STATE_HOME": ""}
NAME = f"holdover-{os.geteuid()}"


def log_in(temporary: Path):
    return run_process("log", **NOBODY_AT_HOME, TMPDIR=str(temporary))


@pytest.mark.measured
def test_it_is_made_for_its_owner_alone(tmp_path: Path):
    for _ in range(2):
        done = log_in(tmp_path)

        assert (done.returncode, done.stderr) == (0, "holdover: no such exchange is recorded\n")
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o700
    assert (tmp_path / NAME / "traffic" / "traffic.db").is_file()


def strangers_directory(path: Path) -> None:
    path.mkdir(mode=0o700)
    os.chown(path, 65534, 65534)


@pytest.mark.measured
@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.symlink_to("/"), "exists and is not a directory"),
        (lambda path: path.write_text(""), "exists and is not a directory"),
        (lambda path: path.mkdir(mode=0o755), "is accessible to other users"),
        pytest.param(
            strangers_directory,
            "belongs to another user",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="it takes two users"),
        ),
    ],
    ids=["link", "file", "open", "stranger"],
)
def test_one_that_somebody_else_may_have_made_is_refused(tmp_path: Path, make, problem: str):
    make(tmp_path / NAME)

    done = log_in(tmp_path)

    said = f"holdover: environment: state_dir: {tmp_path / NAME} {problem}; "
    said += "set it to another directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
