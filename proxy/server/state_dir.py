"""
Try the state directory before serving.

A server without one would serve, but its workers could not meet, guards would forget that
they have tripped, and every record would be lost: somebody has to know before clients come. A
full disk stops nothing, since what is missing then comes back by itself.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from proxy.config.settings import Settings
from proxy.errors import InvalidSettings
from proxy.private_files import make_directory, write_temporary
from proxy.traffic import journal_directory

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a disk that is full, which pass by themselves."""


def make_state_dir(settings: Settings) -> None:
    """Create the directories for state and journal, and try them; raises `InvalidSettings`."""
    for path in state_directories(settings):
        try:
            make_directory(path)
            write_into(path)
        except OSError as exc:
            if exc.errno not in FULL:
                raise InvalidSettings(f"state_dir: {unusable(path, exc)}") from exc


def problem_with_state_dir(settings: Settings) -> str | None:
    """Return why the server would not start here, or None; nothing is created."""
    for path in state_directories(settings):
        try:
            try_directory(path)
        except OSError as exc:
            if exc.errno not in FULL:
                return f"state_dir: {unusable(path, exc)}"
    return None


def state_directories(settings: Settings) -> list[Path]:
    """Return the directories that have to be writable, parents first."""
    journals = [journal_directory(settings.state_dir)] if settings.traffic else []
    return [settings.state_dir, *journals]


def write_into(path: Path) -> None:
    """Make a file in a directory and remove it; raises `OSError` if that is not possible."""
    write_temporary(path / "start", b"\n").unlink()


def try_directory(path: Path) -> bool:
    """Write into a directory and return True, or False if it can be made; raises `OSError`."""
    # A link to nothing is there, too: nothing can be made in its place.
    there = next(each for each in (path, *path.parents) if each.exists() or each.is_symlink())
    if there == path:
        write_into(path)
    elif not (there.is_dir() and os.access(there, os.W_OK | os.X_OK, effective_ids=True)):
        raise PermissionError(0, f"it cannot be made in {there}")
    return there == path


def unusable(path: Path, problem: OSError) -> str:
    """Return a sentence for a directory that cannot be used: why, and what to do."""
    return (
        f"{path} cannot be used: {problem.strerror}; let the user {os.geteuid()} write there, or "
        "set state_dir to another directory"
    )
