"""
Directories (0700) and files (0600) for their owner alone, whatever the umask and whatever is above.

All that Holdover makes is made here; a test finds what is not. What is there
already keeps its mode: its owner may have opened it to somebody on purpose.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

_DIRECTORY: Final = 0o700
_FILE: Final = 0o600
_OTHERS: Final = 0o077


class NotOurs(OSError):
    """A directory that somebody else made, or that others get into; the text says which."""


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, where there is none; raises `OSError`."""
    if path.is_dir():
        return
    if not path.parent.exists():
        make_directory(path.parent)
    try:
        path.mkdir(mode=_DIRECTORY)
        path.chmod(_DIRECTORY)  # a umask may have taken too much
    except FileExistsError:
        os.stat(f"{path}/.")  # another process was first, or else something is in the way


def claim_directory(path: Path) -> None:
    """
    Make a directory in a place where everybody may make some; raises `OSError`.

    One that is there has to be ours, and closed to all others: whoever made it
    first could read, or replace, what is put there (CWE-377).
    """
    try:
        path.mkdir(mode=_DIRECTORY)
        path.chmod(_DIRECTORY)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise NotOurs(f"{path} is there, and no directory") from None
        if found.st_uid != os.geteuid():
            raise NotOurs(f"{path} was made by somebody else") from None
        if found.st_mode & _OTHERS:
            raise NotOurs(f"{path} is open to others") from None


def open_file(path: Path, flags: int) -> int:
    """A descriptor of a file, which is made if it is not there; raises `OSError`."""
    try:
        return _made(path, flags)
    except FileExistsError:
        return os.open(path, flags | os.O_CREAT, _FILE)  # it may be gone by now


def write_beside(path: Path, data: bytes) -> Path:
    """Write what may take a file's place into a new one, whose name begins with a dot."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = _made(beside, os.O_WRONLY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError:
        beside.unlink()
        raise
    return beside


def replace_file(
    path: Path, data: bytes, prepare: Callable[[Path], object] = lambda beside: beside
) -> None:
    """
    Write a file in one step, so that nobody reads half of it; raises `OSError`.

    `prepare` is given the new one before it takes the other's place.
    """
    beside = write_beside(path, data)
    try:
        prepare(beside)
        beside.replace(path)
    except OSError:
        beside.unlink()
        raise


def _made(path: Path, flags: int) -> int:
    handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, _FILE)
    os.fchmod(handle, _FILE)  # a umask may have taken too much
    return handle
