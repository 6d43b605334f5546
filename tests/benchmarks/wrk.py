"""Load for whole answers: wrk, which costs its core little, and says what it saw as JSON."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tests.benchmarks.client import WrongAnswer
from tests.benchmarks.contenders import Served
from tests.benchmarks.processes import LOAD_CORE, account
from tests.benchmarks.questions import Question
from tests.benchmarks.samples import Outcome

_SCRIPT: Final = """
local file = io.open("{body}", "rb")
wrk.method, wrk.body = "POST", file:read("*a")
file:close()
{headers}
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('\\n{{"requests":%d,"microseconds":%d,"p50_us":%d,"p99_us":%d,"errors":%d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""
_PATIENCE_SECONDS: Final = 30


class Said(msgspec.Struct, frozen=True):
    """What wrk says at the end."""

    requests: int
    microseconds: int
    p50_us: int
    p99_us: int
    errors: int


def parse_said(output: str) -> Said:
    """The line of our own in what wrk prints; raises `WrongAnswer`."""
    line = next((line for line in output.splitlines() if line.startswith("{")), None)
    if line is None:
        raise WrongAnswer(f"wrk did not finish: {output[-500:]}")
    said = msgspec.json.decode(line, type=Said)
    if said.errors or not said.requests:
        raise WrongAnswer(f"{said.errors} errors in {said.requests} answers")
    return said


def ask_with_wrk(
    server: Served, question: Question, *, connections: int, seconds: float
) -> Outcome:
    """Ask one thing over and over; wrk counts whole seconds."""
    before = account(server.pid)
    with asking(server, question, connections=connections, seconds=seconds) as wrk:
        output, _ = wrk.communicate(timeout=seconds + 2 * _PATIENCE_SECONDS)
    used = account(server.pid).since(before)
    said = parse_said(output)
    seconds = said.microseconds / 1e6
    return Outcome(said.requests, seconds, used, said.p50_us / 1e3, said.p99_us / 1e3)


@contextmanager
def asking(
    server: Served, question: Question, *, connections: int, seconds: float
) -> Iterator[subprocess.Popen[str]]:
    """The same beside something else."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *("taskset", "--cpu-list", str(LOAD_CORE), "wrk", "--threads", "1"),
            *("--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"),
            *("--timeout", f"{_PATIENCE_SECONDS}s"),
            *("--script", str(_script(Path(folder), question))),
            f"http://127.0.0.1:{server.port}{question.path}",
        ]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as wrk:
            try:
                yield wrk
            finally:
                wrk.kill()


def _script(folder: Path, question: Question) -> Path:
    (folder / "body").write_bytes(question.body)
    headers = "\n".join(f'wrk.headers["{name}"] = "{text}"' for name, text in question.headers)
    script = folder / "ask.lua"
    script.write_text(_SCRIPT.format(body=folder / "body", headers=headers))
    return script
