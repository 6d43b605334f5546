"""
A directory in which the workers of one server keep their numbers, for as long as it runs.

A server that is killed cannot remove its directory, and what lies in memory stays there until
somebody does. So a server locks its own, and removes those that nobody holds any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "holdover-metrics-"


@contextmanager
def metrics_directory(parent: Path) -> Iterator[Path]:
    """Make a new directory in this one, and remove it afterwards; raises `OSError`."""
    for each in parent.glob(f"{_PREFIX}*"):
        # It fails if its server lives, or another user's has left it.
        with suppress(OSError), _locked(each) as descriptor:
            if os.fstat(descriptor).st_uid == os.geteuid():
                shutil.rmtree(each)
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as made,
        _locked(Path(made)),
    ):
        yield Path(made)


@contextmanager
def _locked(directory: Path) -> Iterator[int]:
    """Open a directory and lock it; raises `OSError` if it is another's, or no directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)
