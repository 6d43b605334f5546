"""A generated digest key, kept on disk so that callers keep their digests over restarts."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from proxy.private_files import make_directory, write_temporary

_NAME: Final = "digest.key"


def digest_key_file(state_dir: Path) -> Path:
    """Return the file of the key that is kept in this directory."""
    return state_dir / _NAME


def load_or_create_digest_key(state_dir: Path) -> str | None:
    """Return the key in this directory, created if missing; None if it cannot be stored or read."""
    path = digest_key_file(state_dir)
    try:
        make_directory(state_dir)
        temporary = write_temporary(path, secrets.token_hex(32).encode())
        with suppress(FileExistsError):  # another process was first; its key is used
            os.link(temporary, path)
        temporary.unlink()
    except OSError:
        pass  # an existing key may still be readable
    return read_digest_key(state_dir)


def read_digest_key(state_dir: Path) -> str | None:
    """Return the key in this directory; None if there is none, or none that can be read."""
    try:
        return digest_key_file(state_dir).read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
