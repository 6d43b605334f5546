"""What one check of `holdover doctor` has found."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """How bad it is; only `FAILED` changes the exit status."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """A check and its result; neither text contains a key."""

    level: Level
    check: str
    """Name of the check."""
    text: str
    """What was seen."""
    remedy: str | None = None
    """What to do about it, unless the text says so; None if all is well."""
