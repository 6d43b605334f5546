"""The result of one check of `holdover doctor`: how bad it is, and what to do about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.Enum):
    """Severity of a finding; only `FAILED` changes the exit status of `holdover doctor`."""

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
    """Sentence that says what the check has seen."""
    remedy: str | None = None
    """Advice to the operator; None if all is well, or if `text` gives it already."""
