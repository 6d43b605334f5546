"""Facts that Linux publishes about processes, under /proc."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started, oldest first."""
    with suppress(FileNotFoundError):
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []


def command_of(pid: int) -> bytes:
    """Return the command line of a process, or nothing if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def is_alive(pid: int) -> bool:
    """Return True if there is such a process and some thread of it has not ended.

    One that ends gives up its memory first, and with it its command; its sockets are closed later.
    """
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # a thread that is gone by now
            if stat.read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}:
                return True
    return False


def files_of(pid: int) -> list[str]:
    """Return what a process has open; nothing if it closes a file or ends meanwhile."""
    with suppress(OSError):
        return [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
    return []


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has in use."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def is_stopped(pid: int) -> bool:
    """Return True if a process was told to pause (SIGSTOP) and does."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False
