"""Who keeps others from a file is named, as far as the system knows."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from proxy.traffic.store.database import lock_holders
from proxy.traffic.store.database.lock_holders import describe_lock_holders

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
connection.execute("CREATE TABLE t (x)")
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_the_process_with_the_lock_is_named_while_it_has_it(tmp_path: Path, mode: str):
    file = tmp_path / "traffic.db"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, file, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        holder.stdout.readline()
        during = describe_lock_holders(file)
        holder.stdin.close()

    assert during.endswith(f", process {holder.pid})")
    assert "; " not in during
    assert describe_lock_holders(file) == ""


def test_a_lock_of_this_process_is_nobody_else_s(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "traffic.db", isolation_level=None)) as own:
        own.execute("BEGIN EXCLUSIVE")

        assert describe_lock_holders(tmp_path / "traffic.db") == ""


def test_a_process_that_has_ended_has_no_name():
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass

    assert lock_holders._name(ended.pid) == "?"
