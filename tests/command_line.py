"""
The command `holdover`, run in this process, or as a process of its own.

A process takes a second to start, so that it is for what takes one: signals, pipes, terminals,
the environment of an interpreter, and verbs that serve.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from proxy.cli.serving_commands import app
from tests.waiting import PATIENCE_SECONDS

HOLDOVER: Final = [sys.executable, "-m", "proxy"]
_STOP_SECONDS: Final = 20
_holdover = cache(lambda: get_command(app))
"""All verbs, which take longer to put together than most of them to run."""
_ACTIVATE: Final = """
import os
import sys

descriptor, *command = sys.argv[1:]
os.dup2(int(descriptor), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(command[0], command)
"""


def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process; exceptions are raised, not printed.

    Verbs that configure logging for their whole process (`serve`, `demo`, `replay`) need one.
    """
    with CliRunner().isolation(input=stdin, env=environment) as (stdout, stderr, _):
        with pytest.raises(SystemExit) as ended:
            _holdover().main(args=arguments, prog_name="holdover")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        said, complained = (each.getvalue().decode() for each in (stdout, stderr))
    assert isinstance(ended.value.code, int)
    return subprocess.CompletedProcess(arguments, ended.value.code, stdout=said, stderr=complained)


def run_process(
    *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in a process of its own."""
    return subprocess.run(
        [*HOLDOVER, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def run_on_terminal(*arguments: str) -> tuple[bytes, str]:
    """What a process has on stdout, and what it shows on a terminal as its stderr."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [*HOLDOVER, *arguments],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm-256color"},
        )
        os.close(theirs)
        shown = bytearray()
        with suppress(OSError):  # the other end is closed
            while piece := screen.read(65_536):
                shown += piece
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return out, shown.decode()


def activated(listener: int, *arguments: str) -> list[str]:
    """Return what runs a command with one descriptor handed down, as a service manager does."""
    return [sys.executable, "-c", _ACTIVATE, str(listener), *HOLDOVER, *arguments]


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a command that serves; yield its base url and its process, and stop it afterwards."""
    with subprocess.Popen(
        [*HOLDOVER, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                event = json.loads(line)["event"]
                if event.startswith("Uvicorn running on "):
                    yield event.split()[3], process
                    break
            else:
                pytest.fail("it stopped before it served")
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """Stop a process that leads a session of its own, and whatever it has started.

    The loader ends after its server, and on a busy machine long after it; it holds the pipes.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_STOP_SECONDS)
    has_stopped = process.poll() is not None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert has_stopped, "it did not stop when it was told to"
