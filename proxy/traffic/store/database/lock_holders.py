"""Which processes keep others from using a file, as Linux tells in /proc/locks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_LOCKS: Final = Path("/proc/locks")
_BESIDE: Final = ("", "-shm", "-wal", "-journal")
"""Ends of the names of SQLite's files; in WAL mode writers lock the one that ends in -shm."""


def describe_lock_holders(file: Path) -> str:
    """Return a clause that names the processes with a lock on a SQLite file; empty if unknown."""
    files = {identity for end in _BESIDE if (identity := _identity(Path(f"{file}{end}")))}
    pids = dict.fromkeys(pid for pid, identity in _locks() if identity in files)
    named = [f"{_name(pid)}, process {pid}" for pid in pids if pid != os.getpid()]
    return f" ({'; '.join(named)})" if named else ""


def _locks() -> Iterator[tuple[int, str]]:
    """Yield the process and the file of each lock for writing."""
    with suppress(OSError):
        for line in _LOCKS.read_text().splitlines():
            match line.split():  # "1: POSIX  ADVISORY  WRITE 5327 fe:00:2434685 120 120"
                case [_, _, _, "WRITE", pid, identity, *_] if int(pid) > 0:
                    yield int(pid), identity


def _identity(file: Path) -> str | None:
    with suppress(OSError):
        found = file.stat()
        return f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    return None


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "?"
