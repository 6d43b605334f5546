"""Stores that need not be made first: making a SQLite file takes all migrations, 70 ms."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from proxy.private_files import make_directory
from proxy.traffic import default_url, file_of, open_store
from proxy.traffic.store.store import Store


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        url = default_url(Path(directory))
        open_store(url).close()
        file = file_of(url)
        assert file is not None
        return file.read_bytes()


def open_ready(url: str) -> Store:
    """Open a store; a SQLite file that is not there yet is a copy of an empty one."""
    file = file_of(url)
    if file is not None and not file.exists():
        make_directory(file.parent)
        file.touch(0o600)
        file.write_bytes(_empty())
    return open_store(url)
