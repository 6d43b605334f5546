"""One Holdover from its start: how soon it serves, what it takes, whether it grows."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Final

from tests.benchmarks.client import OK, WrongAnswer
from tests.benchmarks.contenders import canned_upstream, fleet, holdover
from tests.benchmarks.processes import (
    PROXY_CORE,
    ProcessFailed,
    children,
    cpu_seconds,
    free_port,
    is_alive,
    rss_mib,
    running,
)
from tests.benchmarks.rounds import Effort, Findings, tell
from tests.benchmarks.samples import Failure
from tests.benchmarks.side_by_side import ask_streams, ask_whole

_COMMAND: Final = str(Path(sys.executable).with_name("holdover"))
_PATIENCE_SECONDS: Final = 30
_TIMES: Final = 7
_TURN_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Took:
    """How long something took, and how much of it the processor worked; seconds."""

    seconds: float
    used: float


def start(effort: Effort) -> Findings:
    """
    From the command to the first answer, and to the end of `--help`.

    The first time, which may have to compile, does not count.
    """
    with tempfile.TemporaryDirectory(prefix="holdover-benchmark-") as name:
        try:
            ready = [_to_ready(Path(name), n) for n in range(_TIMES)][1:]
        except ProcessFailed as exc:
            return Findings(failures=(Failure("start", "holdover", str(exc)),))
        helped = [_to_help() for _ in range(_TIMES)][1:]
    measured = {
        "start: ready": median(one.seconds for one in ready),
        "start: --help": median(one.seconds for one in helped),
    }
    notes = (f"start, {_spread(ready)}", f"--help, {_spread(helped)}")
    return Findings((), measured, (), notes) + _idle(effort)


def _spread(took: list[Took]) -> str:
    seconds, used = [one.seconds for one in took], median(one.used for one in took)
    between = f"{min(seconds):.2f} to {max(seconds):.2f} s"
    return f"{len(took)} times: {between}; processor time {used:.2f} s (median)"


def _to_ready(folder: Path, number: int) -> Took:
    port, log = free_port(), folder / f"{number}.log"
    state = {"HOLDOVER_STATE_DIR": str(folder / f"{number}.state")}
    begun = time.monotonic()
    with running(PROXY_CORE, (_COMMAND, "serve", "--port", str(port)), log, state) as pid:
        while time.monotonic() - begun < _PATIENCE_SECONDS and is_alive(pid):
            if _is_healthy(port):
                return Took(time.monotonic() - begun, cpu_seconds(pid))
            time.sleep(0.002)
    raise ProcessFailed(f"it did not start: {log.read_text()[-2000:]}")


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    with closing(connection), suppress(OSError):
        connection.request("GET", "/healthz")
        return connection.getresponse().status == OK
    return False


def _to_help() -> Took:
    begun, before = time.monotonic(), _used_by_children()
    subprocess.run(
        ("taskset", "--cpu-list", str(PROXY_CORE), _COMMAND, "--help"),
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=_PATIENCE_SECONDS,
    )
    return Took(time.monotonic() - begun, _used_by_children() - before)


def _used_by_children() -> float:
    """Of those that have ended, since we began."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _idle(effort: Effort) -> Findings:
    with fleet(canned_upstream, (holdover(),)) as served:
        time.sleep(effort.seconds)  # its loader begins a second after it
        pid = served["holdover"].pid
        beside = sum(rss_mib(child) for child in children(pid))
        note = f"idle, the loader of evidence beside it: {beside:.0f} MiB more"
        return Findings((), {"memory: idle": rss_mib(pid)}, (), (note,))


def soak(effort: Effort) -> Findings:
    """Whole answers and streams by turns; the first tenth is to get warm, and does not count."""
    seconds = effort.soak_minutes * 60
    points: list[tuple[float, float]] = []
    with fleet(canned_upstream, (holdover(),)) as served:
        server, begun = served["holdover"], time.monotonic()
        try:
            while (elapsed := time.monotonic() - begun) < seconds:
                ask_whole(server, _TURN_SECONDS, connections=8)
                ask_streams(server, _TURN_SECONDS)
                points.append((elapsed, rss_mib(server.pid)))
                tell(f"soak: {elapsed:.0f} of {seconds:.0f} s, {points[-1][1]:.1f} MiB")
        except WrongAnswer as exc:
            failure = Failure("soak", "holdover", str(exc))
            return Findings(failures=(failure,))
    note = f"soak of {effort.soak_minutes:g} minutes, {len(points)} readings"
    return Findings((), {"memory: growth in a soak": grown(points, seconds)}, (), (note,))


def grown(points: list[tuple[float, float]], seconds: float) -> float | None:
    """From the second tenth of the time to the last, medians of both; MiB."""
    early = [mib for at, mib in points if 0.1 <= at / seconds < 0.2]
    late = [mib for at, mib in points if at / seconds >= 0.9]
    return median(late) - median(early) if early and late else None
