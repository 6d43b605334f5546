"""A disk that fills: a small tmpfs of our own."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(size: int) -> Iterator[Path]:
    """A directory on a disk of so many bytes; where none can be mounted, the test is skipped."""
    with tempfile.TemporaryDirectory(prefix="small-disk-") as name:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "holdover-test", name],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip(f"a tmpfs cannot be mounted here (uid {os.getuid()}): {mounted.stderr}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)
