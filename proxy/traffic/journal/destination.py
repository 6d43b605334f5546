"""
The store that the journals of a directory are loaded into.

The server that writes the journals notes a digest of it, because no loader can tell by the
journals where they belong.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from proxy.traffic.store.database.url import file_of, place_of_store


def destination_file(directory: Path) -> Path:
    """Return the file with the digest of the store that a directory of journals is for."""
    return directory.parent / "store"


def digest_of_store(url: str) -> str:
    """Return a digest of a store's place; user and password, which may differ, do not count."""
    file = file_of(url)
    place = place_of_store(url) if file is None else str(file.resolve())
    return hashlib.blake2b(place.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def is_for_another_store(directory: Path, url: str) -> bool:
    """Return True if the journals are, or were last, written for another store than this one."""
    with suppress(OSError):
        noted = destination_file(directory).read_bytes()
        return noted not in {b"", digest_of_store(url).encode()}
    return False
