"""`log` as a process: its pipe, its terminal, its end."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import HOLDOVER, run_on_terminal
from tests.proxy.cli.harness import add_to, settings_with
from tests.record_factory import record
from tests.recorded_exchanges import exchange, moment
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.unmeasured


def numbered(*numbers: int) -> list[Any]:
    return [record(id=f"req_{n:04}", received=moment(n)) for n in numbers]


@contextmanager
def following(config: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A `log --follow` that is ended for certain."""
    process = subprocess.Popen(
        [*HOLDOVER, "log", "--follow", "--config", str(config), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)


def next_id(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return str(json.loads(process.stdout.readline())["id"])


@pytest.mark.measured
def test_what_is_loaded_later_is_shown_until_ctrl_c(tmp_path: Path):
    config = settings_with(tmp_path, numbered(1, 2, 3))
    with following(config, "--format", "json", "--limit", "2") as process:
        seen = [next_id(process), next_id(process)]
        add_to(tmp_path, numbered(5))
        seen.append(next_id(process))
        add_to(tmp_path, numbered(4))
        seen.append(next_id(process))
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert seen == ["req_0002", "req_0003", "req_0005", "req_0004"]
    assert (rest, said, process.returncode) == ("", "", 0)


@pytest.mark.measured
def test_following_ends_when_nobody_reads_though_nothing_comes(tmp_path: Path):
    config = settings_with(tmp_path, numbered(1))
    with following(config, "--format", "json") as process:
        assert next_id(process) == "req_0001"
        assert process.stdout is not None
        process.stdout.close()
        code = process.wait(timeout=PATIENCE_SECONDS)
        assert process.stderr is not None
        said = process.stderr.read()

    assert (code, said) == (0, "")


@pytest.mark.measured
def test_a_reader_that_has_had_enough_ends_it_without_a_word(tmp_path: Path):
    config = settings_with(tmp_path, numbered(*range(2000)))
    command = [*HOLDOVER, "log", "--limit", "0", "--config", str(config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()

    assert line.startswith("time ")
    assert (process.returncode, said) == (0, "")


def test_show_and_log_take_ids_and_options_from_the_command_line(tmp_path: Path):
    config = settings_with(tmp_path, numbered(1, 2))
    show = [*HOLDOVER, "show", "req_0001", "--format", "json", "--config", str(config)]
    shown = subprocess.run(
        show, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    log = [*HOLDOVER, "log", "--limit", "1", "--demo", "--config", str(config)]
    demo = subprocess.run(
        log, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )

    assert json.loads(shown.stdout)["record"]["id"] == "req_0001"
    assert (demo.returncode, demo.stdout) == (0, "")
    assert demo.stderr == "holdover: no such exchange is recorded\n"


@pytest.mark.measured
@pytest.mark.parametrize("limit", [0, 5])
def test_a_long_search_has_a_bar_on_the_terminal_and_its_lines_are_for_the_file(
    tmp_path: Path, limit: int
):
    entries = [entry for n in range(2_100) for entry in exchange(n, prompt="needle" * (n > 2_090))]
    config = settings_with(tmp_path, entries)
    options = ("--text", "needle", "--limit", f"{limit}", "--format", "json")
    out, shown = run_on_terminal("log", *options, "--config", str(config))

    assert len(out.splitlines()) == (limit or 9)
    assert "exchanges" in shown
    assert "req_" not in shown
