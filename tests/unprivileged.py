"""Tests run as root where CI does, and no permission concerns root: somebody else has to try."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """As somebody whom permissions concern."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@contextmanager
def public_directory() -> Iterator[Path]:
    """A directory that everybody can get at; in a `tmp_path` only its owner can."""
    with tempfile.TemporaryDirectory(prefix="holdover-public-") as made:
        directory = Path(made)
        directory.chmod(0o755)
        yield directory
        directory.chmod(0o700)  # so that it can be emptied
