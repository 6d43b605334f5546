"""`traffic export`: days become files, with a progress, and Ctrl-C leaves whole ones."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.command_line import HOLDOVER, run
from tests.proxy.cli.harness import add_to, settings_with
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import numbered
from tests.small_disk import small_disk
from tests.waiting import PATIENCE_SECONDS

WITHOUT_PYARROW = """
import sys

sys.modules["pyarrow"] = None
from proxy.cli import main

main()
"""


def export_of(config: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    given = ("--output", str(output), "--config", str(config))
    return run("traffic", "export", *given, *options)


def test_files_have_the_lines_of_the_log_and_a_second_run_finds_nothing_new(tmp_path):
    config, out = settings_with(tmp_path, [*numbered(1, 2), shadow_record()]), tmp_path / "out"
    first = export_of(config, out, "--format", "jsonl")
    second = export_of(config, out, "--format", "jsonl", "--since", "2026-11-23")
    logged = run("log", "--format", "json", "--config", str(config))
    file = out / "exchanges" / "date=2026-11-23" / "exchanges.jsonl.gz"

    assert first.stdout == f"{out}: 2 files written, with 2 exchanges and 1 shadow.\n"
    assert first.stderr.splitlines() == [
        "holdover: 2 of 3 records exported",
        "holdover: 3 of 3 records exported",
    ]
    assert (second.stdout, second.stderr) == (f"{out}: nothing new.\n", "")
    assert gzip.decompress(file.read_bytes()).decode() == logged.stdout


def test_today_is_exported_only_if_it_is_asked_for(tmp_path):
    now, jsonl = datetime.now(UTC), ("--format", "jsonl")
    config = settings_with(tmp_path, [record(received=now.isoformat())])
    without = export_of(config, tmp_path / "out", *jsonl)
    # A record of a second before midnight is of the day before by now.
    since = (*jsonl, "--since", f"{now:%Y-%m-%d}")
    with_it = export_of(config, tmp_path / "out", *since, "--until", f"{now:%Y-%m-%d}")
    add_to(tmp_path, [record(id="req_2", received=now.isoformat())])
    again = export_of(config, tmp_path / "out", *since, "--until", f"{now:%Y-%m-%d}")

    if datetime.now(UTC).date() == now.date():
        assert without.stdout.endswith(": nothing new.\n")
        assert with_it.stdout.endswith(": 1 file written, with 1 exchange.\n")
        assert again.stdout.endswith(": 1 file written, with 2 exchanges.\n")


def interrupted(process: subprocess.Popen[str]) -> str:
    """What it still says, pressing Ctrl-C again if Python noted it just before it began to wait."""
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=PATIENCE_SECONDS / 5)[1]
    process.kill()
    raise AssertionError("it does not end")


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_ctrl_c_leaves_whole_files_and_the_same_command_goes_on(tmp_path):
    days = [record(id=f"req_{day}", received=f"2026-11-{day}T09:00:00+00:00") for day in (22, 23)]
    config, out = settings_with(tmp_path, days), tmp_path / "out"
    options = ("--format", "jsonl", "--output", str(out), "--config", str(config))
    second = out / "exchanges" / "date=2026-11-23" / "exchanges.jsonl.gz"
    second.parent.mkdir(parents=True)
    os.mkfifo(second)  # nothing comes out of it, so the run waits when it looks what is there
    with subprocess.Popen(
        [*HOLDOVER, "traffic", "export", *options], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in days]
        rest = interrupted(process)
    second.unlink()
    there = {file.name: file for file in out.rglob("*") if file.is_file()}
    manifest = json.loads(there["export.json"].read_bytes())
    resumed = export_of(config, out, "--format", "jsonl")

    assert lines[-1] == "holdover: 2 of 2 records exported\n"
    assert process.returncode == 130
    assert rest == "holdover: interrupted; all files are whole, and the same command goes on\n"
    assert sorted(there) == ["exchanges.jsonl.gz", "export.json"]
    assert manifest["days"] == {"exchanges": {"2026-11-22": 1}}
    assert resumed.stdout == f"{out}: 1 file written, with 1 exchange.\n"


def test_on_a_full_disk_it_says_so_and_leaves_nothing_that_is_not_whole(tmp_path):
    config = settings_with(tmp_path, numbered(*range(3_000)))
    with small_disk(16 * 1024) as disk:
        full = export_of(config, disk / "out", "--format", "jsonl")
        left = [file for file in disk.rglob("*") if file.is_file()]

    assert full.returncode == 2
    assert full.stderr.splitlines()[-1] == (
        f"holdover: {disk / 'out'}: No space left on device; all files that are there are whole"
    )
    assert left == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "yesterday"), "'yesterday' is not a valid time"),
        pytest.param(
            ("--format", "jsonl"),
            "go on with `--format parquet`, or choose another directory",
            marks=pytest.mark.skipif(
                find_spec("pyarrow") is None, reason="needs pyarrow: uv sync --group lint"
            ),
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, options: tuple[str, ...], words: str):
    config = settings_with(tmp_path, numbered(1))
    export_of(config, tmp_path / "out")
    refused = export_of(config, tmp_path / "out", *options)

    assert refused.returncode == 2
    assert words in refused.stderr


@pytest.mark.measured
@pytest.mark.unmeasured
def test_without_pyarrow_it_says_what_to_install(tmp_path):
    options = ("--output", str(tmp_path / "out"))
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYARROW, "traffic", "export", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert run.returncode == 2
    assert run.stderr == (
        "holdover: Parquet needs pyarrow: pip install 'holdover[parquet]', or write"
        " `--format jsonl`\n"
    )
    assert list(tmp_path.iterdir()) == []
