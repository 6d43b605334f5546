"""The loader's process as its server starts it: what it understands, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.import_path import program_command
from proxy.server.loader_program import decode_loader_config, encode_loader_config
from proxy.traffic import journal_directory
from proxy.traffic.status import LoaderConfig
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]


def run_program(told: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        program_command("proxy.server.loader_program"),
        input=told,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_a_loader_understands_what_it_is_told(tmp_path: Path):
    told = LoaderConfig(directory=journal_directory(tmp_path), url="u", days=1, max_bytes=2)

    assert decode_loader_config(encode_loader_config(told, "json")) == (told, "json")


@pytest.mark.thorough
@pytest.mark.one_in(3)
@pytest.mark.parametrize("told", ["nonsense\n", "[]\n", '["x", "json"]\n'])
def test_a_loader_that_fails_says_so_in_one_line_of_json(told: str):
    result = run_program(told)

    [line] = result.stderr.splitlines()
    assert (result.returncode, result.stdout) == (1, "")
    assert json.loads(line).items() >= {"event": "loader_crashed", "level": "error"}.items()


@pytest.mark.thorough
def test_a_loader_whose_server_has_ended_at_once_ends_without_a_word():
    result = run_program("")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.unmeasured
def test_it_imports_neither_the_command_line_nor_the_settings():
    program = (
        "import sys, proxy.server.loader_program, proxy.traffic.loader_process; "
        "print(sorted({'typer', 'pydantic', 'pydantic_settings', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )

    assert done.stdout == "[]\n"
