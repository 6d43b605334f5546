"""The history of changes as a page shows it: newest first, with what was and what is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.config.history import Change

_ARROW = " -> "


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """One sentence of the history."""

    at: str
    by: str | None
    what: str
    before: str | None
    """What it was; None if the sentence does not say it."""
    after: str | None


def past_changes(history: Sequence[Change]) -> list[PastChange]:
    """Return all changes, newest first."""
    return [
        _past(version, sentence) for version in reversed(history) for sentence in version.changes
    ]


def _past(version: Change, sentence: str) -> PastChange:
    what, colon, values = sentence.partition(": ")
    before, arrow, after = values.partition(_ARROW)
    if not colon or not arrow or _ARROW in after:
        what, before, after = sentence, "", ""
    # `share of canary: 5 -> 25 %`: the unit is said once.
    if after.endswith(" %") and before and not before.endswith(" %"):
        before += " %"
    return PastChange(
        at=version.at, by=version.by, what=what, before=before or None, after=after or None
    )
