"""
Processes on a core of their own, and what they have used so far.

Each is started and ended by its own id, and ended whatever happens. What it says goes to a file,
as it would in operation, and its end is shown when it does not come up.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROXY_CORE: Final = 0
LOAD_CORE: Final = 1
_ROOT: Final = Path(__file__).parents[2]
_PATIENCE_SECONDS: Final = 30


class ProcessFailed(Exception):
    """A process of the benchmark ended, or never came up."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a process has used so far, in seconds of processor time."""

    own: float
    children: float
    """What it has started."""
    kept_waiting: float
    """It could have run, and its core was taken: by what it has started, or by others."""

    def since(self, earlier: Account) -> Account:
        return Account(
            self.own - earlier.own,
            self.children - earlier.children,
            self.kept_waiting - earlier.kept_waiting,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    core: int, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A process pinned to a core; yields its id."""
    with (
        log.open("ab") as said,
        subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            env={**_environment(), **(environment or {})},
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # a Ctrl-C is for us, and ends it through us
        ) as process,
    ):
        try:
            yield process.pid
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """And wait for what it had started, which may have work left, and would do it beside others."""
    left = children(process.pid)
    process.terminate()
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (left := [pid for pid in left if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """Ours, without what somebody has set for a Holdover of their own."""
    return {name: text for name, text in os.environ.items() if not name.startswith("HOLDOVER_")}


def wait_for(port: int, pid: int, log: Path, seconds: float = 60) -> None:
    """Until somebody listens; raises `ProcessFailed` with what was said last."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and is_alive(pid):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    last = log.read_text(errors="replace")[-2000:]
    raise ProcessFailed(f"nothing listens on {port}; {log.name} ends with:\n{last}")


def is_alive(pid: int) -> bool:
    try:
        return _stat(pid)[0] != "Z"
    except OSError:
        return False


def account(pid: int) -> Account:
    """What it has used; threads that have ended count too, children that have do not."""
    beside = sum(_cpu_or_none(child) for child in children(pid))
    # Of its first thread alone, which is the one that serves (proc(5), schedstat).
    waited = int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return Account(cpu_seconds(pid), beside, waited)


def cpu_seconds(pid: int) -> float:
    """From the kernel's clock of that process, to the nanosecond (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e9


def _cpu_or_none(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except OSError:
        return 0


def children(pid: int) -> list[int]:
    """What it has started, and what those have."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(_stat(int(entry.name))[1])
            except OSError:
                continue  # ended meanwhile
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _stat(pid: int) -> list[str]:
    """State, parent and so on: what follows the name, which may have anything in it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def rss_mib(pid: int) -> float:
    """Resident memory of the process alone."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident * os.sysconf("SC_PAGE_SIZE") / 2**20


def settle(pid: int, seconds: float = 5) -> None:
    """Wait until its children have caught up, and do not work beside the next one."""
    deadline = time.monotonic() + seconds
    used = account(pid).children
    while time.monotonic() < deadline:
        time.sleep(0.1)
        before, used = used, account(pid).children
        if used - before < 0.002:
            return
