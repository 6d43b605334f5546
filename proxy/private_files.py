"""
Creation of directories (0700) and files (0600) that only their owner can open, under any umask.

Holdover creates all of its files here; a test finds those that it does not. Files and
directories that exist keep their mode: the owner may have opened them on purpose.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_OTHERS_MASK: Final = 0o077


class UnsafeDirectory(OSError):
    """Another user owns a directory or has access to it; the text says which."""


def make_directory(path: Path) -> None:
    """Create a directory and its parents if they are missing; raises `OSError`."""
    if path.is_dir():
        return
    if not path.parent.exists():
        make_directory(path.parent)
    try:
        path.mkdir(mode=_DIRECTORY_MODE)
        path.chmod(_DIRECTORY_MODE)  # the umask may have removed permissions
    except FileExistsError:
        os.stat(f"{path}/.")  # fails unless another process has created the directory


def claim_directory(path: Path) -> None:
    """
    Create a directory in a place where every user may create some; raises `OSError`.

    An existing directory must belong to this user and be closed to all others, who
    could otherwise read or replace the files in it (CWE-377).
    """
    try:
        path.mkdir(mode=_DIRECTORY_MODE)
        path.chmod(_DIRECTORY_MODE)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise UnsafeDirectory(f"{path} exists and is not a directory") from None
        if found.st_uid != os.geteuid():
            raise UnsafeDirectory(f"{path} belongs to another user") from None
        if found.st_mode & _OTHERS_MASK:
            raise UnsafeDirectory(f"{path} is accessible to other users") from None


def open_file(path: Path, flags: int) -> int:
    """Open a file, or create it if it is missing, and return its descriptor; raises `OSError`."""
    try:
        return _create(path, flags)
    except FileExistsError:
        return os.open(path, flags | os.O_CREAT, _FILE_MODE)  # may have been removed since


def rewrite_file(path: Path, data: bytes) -> None:
    """Replace what a file holds, and never create one; raises `OSError`."""
    with path.open("r+b", buffering=0) as file:
        file.write(data)
        file.truncate()


def write_temporary(path: Path, data: bytes) -> Path:
    """Write data to a new hidden file in the directory of `path`, and return the new path."""
    beside = _beside(path)
    handle = _create(beside, os.O_WRONLY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError:
        beside.unlink()
        raise
    return beside


@contextmanager
def temporary_file(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """
    Open a new hidden file in the directory of `path`, and yield its path, too.

    It is removed at the end, unless it has been renamed.
    """
    beside = _beside(path)
    try:
        with os.fdopen(_create(beside, os.O_WRONLY), "wb") as file:
            yield beside, file
    finally:
        beside.unlink(missing_ok=True)


def remove_temporary_files(path: Path) -> None:
    """Remove what processes that were killed have left beside `path`; nobody may write there."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink()


def replace_file(
    path: Path, data: bytes, prepare: Callable[[Path], object] = lambda beside: beside
) -> None:
    """
    Write a file atomically, so that no reader sees half of it; raises `OSError`.

    `prepare` is called with the path of the new file before it replaces the old one. A device or
    a pipe, like /dev/null or /dev/stdout, is written to: root could replace it for everybody.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        with path.open("wb") as there:
            there.write(data)
        return
    beside = write_temporary(path, data)
    try:
        prepare(beside)
        beside.replace(path)
    except OSError:
        beside.unlink()
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def _create(path: Path, flags: int) -> int:
    handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    os.fchmod(handle, _FILE_MODE)  # the umask may have removed permissions
    return handle
