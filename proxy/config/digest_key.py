"""The key of callers' digests, kept where nobody set one: a caller has one digest over restarts."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from proxy.private_files import make_directory, write_temporary

_NAME: Final = "digest.key"


def load_or_create_digest_key(state_dir: Path) -> str | None:
    """That of this directory, made if it has none; None where none can be kept."""
    path = state_dir / _NAME
    try:
        make_directory(state_dir)
        beside = write_temporary(path, secrets.token_hex(32).encode())
        with suppress(FileExistsError):  # who was first has it
            os.link(beside, path)
        beside.unlink()
    except OSError:
        pass  # it may be there all the same, and readable
    try:
        return path.read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
