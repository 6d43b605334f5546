"""Interpreters on this machine: what pyenv has built, and what uv finds or downloads."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

OLDEST: Final = "3.11"
NEWEST: Final = "3.14"
_NEWEST_FIRST: Final = (NEWEST, "3.13", "3.12", OLDEST)


def newest_python() -> Path:
    """Return the newest interpreter that is to be had without building one."""
    if not find_python(NEWEST):
        subprocess.run(
            ["uv", "python", "install", "--quiet", NEWEST], check=False, timeout=120, stderr=-1
        )
    return next(found for version in _NEWEST_FIRST if (found := find_python(version)))


def find_python(version: str) -> Path | None:
    """Return an interpreter of this version that is on this machine."""
    if built := sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return built[-1]
    command = ["uv", "python", "find", "--quiet", "--no-project", version]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return Path(found.stdout.strip()) if found.returncode == 0 else None
