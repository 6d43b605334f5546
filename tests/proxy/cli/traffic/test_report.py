"""`report`: as a function that writes and exits, and a few times as a process."""

import json
import os
import pty
import re
import stat
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from sqlalchemy import delete

from proxy.cli.traffic.commands import ReportFormat
from proxy.cli.traffic.report import FORMATS, run_report
from proxy.report.model import Report
from proxy.traffic import default_url, open_store
from proxy.traffic.store.retention import Retention, prune
from proxy.traffic.store.schema import rollups
from tests.older_store import as_before_rollups
from tests.proxy.cli.harness import add_to, settings_with
from tests.proxy.report.harness import made
from tests.record_factory import record
from tests.unprivileged import as_nobody, public_directory
from tests.waiting import PATIENCE_SECONDS

HOLDOVER = [sys.executable, "-m", "proxy"]


def recent(number: int, **fields: Any):
    """An exchange of an hour ago."""
    received = datetime.now(UTC) - timedelta(hours=1, seconds=-number)
    return record(
        **{"id": f"req_{number}", "received": received.isoformat(timespec="milliseconds")} | fields
    )


def run(config: Path | None, **options: Any) -> int:
    """The status it ends with."""
    plain: dict[str, Any] = {
        "demo": False,
        "begin": "7d",
        "end": None,
        "caller": None,
        "form": "json",
        "output": None,
        "fail_if": [],
    }
    try:
        run_report(config, None, **(plain | options))
    except typer.Exit as exc:
        return exc.exit_code
    return 0


def on_a_terminal(*arguments: str, cwd: Path) -> tuple[int, str]:
    """Status, and what is shown on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [*HOLDOVER, *arguments],
            stdout=theirs,
            stderr=theirs,
            cwd=cwd,
            env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"},
        )
        os.close(theirs)
        shown = bytearray()
        try:
            while piece := screen.read(65_536):
                shown += piece
        except OSError:  # the other end is closed
            pass
        return process.wait(timeout=PATIENCE_SECONDS), shown.decode()


def test_the_command_offers_what_can_be_written():
    assert tuple(form.value for form in ReportFormat) == FORMATS


def test_json_is_the_report_itself(tmp_path, capsys):
    config = settings_with(tmp_path, [recent(1), recent(2, caller_name="nightly")])

    assert run(config) == 0

    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert (report.totals.exchanges, report.totals.callers) == (2, 2)
    assert report.callers[0].call is not None


def test_json_is_nothing_that_a_terminal_acts_on(tmp_path, capsys):
    config = settings_with(tmp_path, [recent(1, caller_name="a\u202e\x9b2Jb")])

    assert run(config) == 0

    said = capsys.readouterr().out
    assert said.isascii()
    assert "a\\u202e\\u009b2Jb" in said


@pytest.mark.without_coverage
@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("terminal", "1 caller still uses"),
        ("markdown", "# Legacy traffic\n"),
        ("html", "<!doctype html>"),
        ("json", '"exchanges": 1'),
    ],
)
def test_every_format_is_written_to_a_pipe(tmp_path, capsys, form, said):
    config = settings_with(tmp_path, [recent(1)])

    assert run(config, form=form) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_store_is_reported_as_such(tmp_path, capsys, form):
    config = settings_with(tmp_path, [])

    assert run(config, form=form, fail_if=["callers>0"]) == 0
    assert capsys.readouterr().out


def test_a_caller_that_nobody_has_heard_of_is_a_mistake(tmp_path, capsys):
    config = settings_with(tmp_path, [recent(1, caller_name="nightly")])

    for name, nearest in [("nightyl", "; did you mean `nightly`?"), ("\udcff", "")]:
        assert run(config, caller=name) == 2
        assert capsys.readouterr().err.endswith(f"or in what is recorded{nearest}\n")


def test_a_condition_on_a_caller_that_has_been_silent_fails(tmp_path, capsys):
    old = recent(1, caller_name="nightly", received="2026-01-01T10:00:00.000+00:00")
    config = settings_with(tmp_path, [old])

    assert run(config, caller="nightly", fail_if=["readiness<0.95", "errors>0.1"]) == 1

    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[2].partition(":")[0] for line in said] == [
        " there is no caller to judge"
    ] * 2
    assert "No caller named nightly used" in said[0]


@pytest.mark.without_coverage
def test_only_the_period_and_the_caller_that_are_asked_for_are_reported(tmp_path, capsys):
    old = recent(3, received="2026-01-01T10:00:00.000+00:00")
    named = recent(2, caller_name="nightly")
    config = settings_with(tmp_path, [recent(1), named, old])
    counts = []
    for options in [
        {"begin": "2h"},
        {"begin": "2h", "end": "30m"},
        {"begin": "30m"},
        {"begin": "2026-01-01", "end": "2026-01-01"},
        {"begin": "999999w"},
        {"caller": "nightly"},
    ]:
        assert run(config, **options) == 0
        counts.append(json.loads(capsys.readouterr().out)["totals"]["exchanges"])

    assert counts == [2, 2, 0, 1, 3, 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"begin": "soon"}, "holdover: 'soon' is not a valid time; write 15m"),
        ({"end": "then"}, "holdover: 'then' is not a valid time; write 15m"),
        ({"begin": "1h", "end": "2h"}, "holdover: the period from 1h to 2h is empty; "),
        ({"begin": "2099-01-01"}, "holdover: the period from 2099-01-01 to now is empty; "),
        ({"fail_if": ["ready"]}, "holdover: 'ready' is not a valid condition; write a name"),
    ],
)
def test_what_cannot_be_meant_is_said_with_status_2(tmp_path, capsys, options, said):
    assert run(settings_with(tmp_path, []), **options) == 2
    assert capsys.readouterr().err.startswith(said)


def test_a_condition_that_holds_is_status_1_and_says_who_and_why(tmp_path, capsys):
    config = settings_with(
        tmp_path,
        [recent(1, caller_name="nightly", adjustments=(made("drop_top_k"),)), recent(2)],
    )

    status = run(config, fail_if=["readiness<0.95", "callers>5", "exchanges>1"])

    assert status == 1
    said = capsys.readouterr()
    assert said.err == (
        "holdover: nightly: its readiness is 0: drop_top_k in 100 % (readiness<0.95)\n"
        "holdover: 2 exchanges (exchanges>1)\n"
    )
    assert json.loads(said.out)["totals"]["exchanges"] == 2


def test_a_store_of_before_there_were_sums_is_reported_in_full_and_how_far_that_is(
    tmp_path, capsys
):
    config = settings_with(tmp_path, [recent(number) for number in range(600)])
    as_before_rollups(default_url(tmp_path))

    assert run(config, fail_if=["exchanges>600"]) == 0

    said = capsys.readouterr()
    assert json.loads(said.out)["totals"]["exchanges"] == 600
    assert said.err.splitlines() == [
        f"holdover: {done} of 600 records summed up" for done in (250, 500, 600)
    ]


def test_deleted_sums_are_built_from_their_records_and_the_others_are_said_to_be_lost(
    tmp_path, capsys
):
    long_ago = recent(-8 * 86_400, asked_model="claude-1", sent_model="claude-2")
    config = settings_with(tmp_path, [recent(1), recent(2), long_ago])
    with closing(open_store(default_url(tmp_path))) as store:
        prune(store, now_ms=int(time.time() * 1000), retention=Retention(days=7), max_bytes=0)
        with store.writing() as connection:
            connection.execute(delete(rollups))

    assert run(config, begin="30d") == 0

    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["totals"]["exchanges"] == 2
    assert said.err == "holdover: 2 of 2 records summed up\n"
    day = long_ago.received[:10]
    assert (
        f"The sums of 1 exchange were deleted, and so were their records ({day}: 1): only a backup"
        " of the store has them."
    ) in found["coverage"]["notes"]


def test_where_sums_cannot_be_completed_it_says_so_and_judges_nothing(capsys):
    with public_directory() as place:
        config = settings_with(place, [recent(1), recent(2)])
        as_before_rollups(default_url(place))
        open_store(default_url(place)).close()
        (place / "traffic").chmod(0o555)
        (place / "traffic" / "traffic.db").chmod(0o444)
        with as_nobody():
            statuses = [run(config), run(config, fail_if=["exchanges>0"])]
        (place / "traffic").chmod(0o700)
    said = capsys.readouterr()

    assert statuses == [0, 2]
    assert "The sums of 2 older exchanges are still being built" in said.out
    assert said.err.startswith("holdover: the sums of older records are not complete, and ")


def test_a_file_is_replaced_in_one_step_and_is_its_owners(tmp_path, capsys):
    config = settings_with(tmp_path, [recent(1)])
    file = tmp_path / "report.md"
    file.write_text("an older one")
    with file.open() as older:
        assert run(config, form="markdown", output=file) == 0

        assert older.read() == "an older one"
    assert file.read_text().startswith("# Legacy traffic")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert capsys.readouterr() == ("", f"Wrote {file}.\n")


@pytest.mark.parametrize("name", ["nowhere/report.md", "."])
def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path, capsys, name):
    (tmp_path / "here").mkdir()
    output = tmp_path / "here" / name

    assert run(settings_with(tmp_path, []), output=output) == 2
    assert str(output) in capsys.readouterr().err
    assert list((tmp_path / "here").iterdir()) == []


def test_prices_of_the_settings_are_used(tmp_path, capsys):
    config = settings_with(tmp_path, [recent(1)])
    with config.open("a") as file:
        file.write('[prices."claude-haiku-*"]\ninput = 1_000_000\noutput = 0\n')

    run(config)

    assert json.loads(capsys.readouterr().out)["totals"]["spent"]["cost"] == 6.0


def test_the_demo_has_a_store_of_its_own(tmp_path, capsys):
    config = settings_with(tmp_path, [recent(1)])
    add_to(tmp_path / "demo", [recent(2), recent(3), recent(4)])

    run(config, demo=True)

    assert json.loads(capsys.readouterr().out)["totals"]["exchanges"] == 3


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_on_a_terminal_it_is_coloured_and_as_wide_as_that(tmp_path):
    config = settings_with(tmp_path, [recent(1)])

    status, shown = on_a_terminal("report", "--config", str(config), cwd=tmp_path)

    assert status == 0
    assert "\x1b[1m1 caller still uses Text Completions" in shown
    widest = max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in shown.split("\r\n"))
    assert 80 < widest <= 100


@pytest.mark.thorough
def test_a_page_for_a_terminal_becomes_a_file_and_that_is_said(tmp_path):
    config = settings_with(tmp_path, [recent(1)])

    status, shown = on_a_terminal(
        "report", "--format", "html", "--config", str(config), cwd=tmp_path
    )

    assert (status, shown) == (0, "Wrote holdover-report.html.\r\n")
    assert (tmp_path / "holdover-report.html").read_text().lstrip().startswith("<!doctype")


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_as_a_command_it_takes_conditions_and_says_in_its_status_whether_they_hold(tmp_path):
    config = settings_with(tmp_path, [recent(1), recent(2)])
    command = [
        *HOLDOVER,
        "report",
        "--since",
        "2h",
        "--format",
        "markdown",
        "--config",
        str(config),
    ]

    good = subprocess.run(
        [*command, "--fail-if", "readiness<0.95", "--fail-if", "callers>1"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    bad = subprocess.run(
        [*command, "--fail-if", "exchanges>1"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert (good.returncode, good.stderr) == (0, "")
    assert (bad.returncode, bad.stderr) == (1, "holdover: 2 exchanges (exchanges>1)\n")
    assert "| Exchanges | 2 |" in good.stdout
