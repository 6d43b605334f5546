"""The key of callers' digests, kept where nobody set one: a caller has one digest over restarts."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

_NAME: Final = "digest.key"


def kept_digest_key(state_dir: Path) -> str | None:
    """That of this directory, made if it has none; None where none can be kept."""
    path = state_dir / _NAME
    beside = path.with_name(f".{_NAME}.{secrets.token_hex(4)}")
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):  # who was first has it
            os.link(beside, path)
        beside.unlink()
    except OSError:
        pass  # it may be there all the same, and readable
    try:
        return path.read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
