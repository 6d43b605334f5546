"""`traffic rebuild` and `traffic check`: sums are built with a progress, and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, update

from proxy.traffic import default_url
from proxy.traffic.store.rollups.build import begin_rebuild, build_step
from proxy.traffic.store.rollups.sums import Kind
from proxy.traffic.store.schema import rollups
from tests.command_line import run, run_on_terminal
from tests.older_store import as_before_rollups
from tests.proxy.cli.harness import settings_with
from tests.ready_store import open_ready
from tests.recorded_exchanges import numbered
from tests.unprivileged import as_nobody, public_directory

NO_DIFFERENCE = "Compared all days, and 1 of 1 time bucket in full (2 exchanges): no difference.\n"


@contextmanager
def changing(tmp_path: Path) -> Iterator[Connection]:
    store = open_ready(default_url(tmp_path))
    with store.writing() as connection:
        yield connection
    store.close()


def test_sums_that_are_wrong_are_found_and_built_anew(tmp_path):
    config = settings_with(tmp_path, numbered(1, 2))
    options = ("--config", str(config))
    before = run("traffic", "check", *options)
    with changing(tmp_path) as connection:
        is_shape = rollups.c.kind == Kind.SHAPE
        connection.execute(update(rollups).where(is_shape).values(exchanges=5))
    wrong = run("traffic", "check", *options)
    rebuilt = run("traffic", "rebuild", *options)
    after = run("traffic", "check", *options)

    assert (before.returncode, before.stdout) == (0, NO_DIFFERENCE)
    assert wrong.returncode == 1
    day, group, whole = wrong.stdout.splitlines()
    assert day == (
        "2026-11-23T00:00:00.000+00:00 to 2026-11-24T00:00:00.000+00:00: shapes, exchanges: 5 in"
        " the sums, 2 in the records"
    )
    assert group.startswith(
        "2026-11-23T00:00:00.000+00:00 to 2026-11-23T00:01:00.000+00:00: shapes, exchanges of group"
    )
    assert whole.endswith(": 2 differences.")
    assert wrong.stderr == "holdover: `holdover traffic rebuild` makes the sums from the records\n"
    assert rebuilt.stdout == "The sums of 2 records are built.\n"
    assert rebuilt.stderr == "holdover: 2 of 2 records summed up\n"
    assert (after.returncode, after.stdout) == (0, NO_DIFFERENCE)


def test_of_many_differences_the_first_are_shown(tmp_path):
    config = settings_with(tmp_path, numbered(*range(0, 1_800, 60)))
    with changing(tmp_path) as connection:
        connection.execute(delete(rollups).where(rollups.c.kind == Kind.PROGRAM))
    checked = run("traffic", "check", "--buckets", "9", "--config", str(config))

    lines = checked.stdout.splitlines()
    assert checked.returncode == 1
    assert len(lines) == 22
    assert lines[20].endswith(" more differences")
    assert lines[21].startswith("Compared all days, and 9 of 30 time buckets in full (9 exchanges)")


def test_without_buckets_only_days_are_compared(tmp_path):
    config = settings_with(tmp_path, numbered(1, 2))
    checked = run("traffic", "check", "--buckets", "0", "--config", str(config))

    assert checked.returncode == 0
    assert "0 of 1 time bucket in full (0 exchanges): no difference." in checked.stdout


def test_a_rebuild_goes_on_where_one_was_interrupted_and_until_then_nothing_is_compared(tmp_path):
    config = settings_with(tmp_path, numbered(*range(300)))
    with changing(tmp_path) as connection:
        begin_rebuild(connection)
        build_step(connection)
    early = run("traffic", "check", "--config", str(config))
    resumed = run("traffic", "rebuild", "--config", str(config))
    late = run("traffic", "check", "--config", str(config))

    assert (early.returncode, early.stdout) == (2, "")
    assert early.stderr.startswith("holdover: the sums of 50 records are still being built; ")
    assert resumed.stderr.splitlines() == [
        "holdover: going on with the build that has begun",
        "holdover: 300 of 300 records summed up",
    ]
    assert resumed.stdout == "The sums of 300 records are built.\n"
    assert late.returncode == 0


def test_of_nothing_the_sums_are_built_and_there_is_no_progress(tmp_path):
    rebuilt = run("traffic", "rebuild", "--config", str(settings_with(tmp_path, [])))

    assert (rebuilt.returncode, rebuilt.stderr) == (0, "")
    assert rebuilt.stdout == "The sums of 0 records are built.\n"


def test_each_tenth_that_is_done_is_said_once(tmp_path):
    config = settings_with(tmp_path, numbered(*range(3_000)))
    rebuilt = run("traffic", "rebuild", "--config", str(config))

    tenths = (500, 750, 1_000, 1_250, 1_500, 2_000, 2_250, 2_500, 2_750, 3_000)
    assert rebuilt.stderr.splitlines() == [
        f"holdover: {done:,} of 3,000 records summed up" for done in tenths
    ]


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_on_a_terminal_there_is_a_bar(tmp_path):
    config = settings_with(tmp_path, numbered(*range(300)))
    as_before_rollups(default_url(tmp_path))
    out, shown = run_on_terminal(
        "report", "--since", "520w", "--format", "json", "--config", str(config)
    )

    assert json.loads(out)["totals"]["exchanges"] == 300
    assert "sums of records" in shown
    assert "100%" in shown


def test_a_store_that_can_only_be_read_is_compared_but_not_built():
    with public_directory() as place:
        config = settings_with(place, numbered(1, 2))
        (place / "traffic").chmod(0o555)
        (place / "traffic" / "traffic.db").chmod(0o444)
        with as_nobody():
            checked = run("traffic", "check", "--config", str(config))
            rebuilt = run("traffic", "rebuild", "--config", str(config))
        (place / "traffic").chmod(0o700)

    assert (checked.returncode, checked.stdout) == (0, NO_DIFFERENCE)
    assert (rebuilt.returncode, rebuilt.stdout) == (2, "")
    assert "read-only" in rebuilt.stderr
