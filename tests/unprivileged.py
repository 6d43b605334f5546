"""Tests run as root where CI does, and no permission concerns root: somebody else has to try."""

from __future__ import annotations

import ctypes
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_NOBODY: Final = 65534
_UNCHANGED: Final = -1
_SETRESUID: Final = {"x86_64": 117, "aarch64": 147}
"""Number of the system call, by machine: the C library would change the user of all threads."""


@contextmanager
def as_nobody() -> Iterator[None]:
    """
    As somebody whom permissions concern; only this thread, and those that it starts.

    Servers of other tests go on in this process, and need what is theirs.
    """
    before = os.geteuid()
    if before == 0:
        _become(_NOBODY)
    try:
        yield
    finally:
        if before == 0:
            _become(before)


@contextmanager
def public_directory() -> Iterator[Path]:
    """A directory that everybody can get at; in a `tmp_path` only its owner can."""
    with tempfile.TemporaryDirectory(prefix="holdover-public-") as made:
        directory = Path(made)
        directory.chmod(0o755)
        yield directory
        directory.chmod(0o700)  # so that it can be emptied


def _become(user: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    number = _SETRESUID[platform.machine()]
    if libc.syscall(number, _UNCHANGED, user, _UNCHANGED) != 0:
        raise OSError(ctypes.get_errno(), "the user of a thread cannot be changed")
