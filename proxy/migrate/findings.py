"""What was found in a file: each legacy use with its verdict, and the edits that rewrite it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from proxy.migrate.evidence import Evidence
from proxy.migrate.traits import CallTraits
from translators import Adjustment


class Verdict(enum.Enum):
    """What is done about a legacy use."""

    REWRITTEN = "rewritten"
    LOOK = "rewritten, look at it"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One legacy use in a file."""

    line: int
    column: int = 1
    end_line: int | None = None
    shape: str
    """The kind of use in a few words: `completions.create, streamed`."""
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Whole sentences: why it is by hand, what to look at, what is different now."""
    code: str = ""
    """The code to write, if it is by hand and can be said."""
    models: tuple[str, str] | None = None
    """The model that was asked for, and the one that is asked now."""
    adjustments: tuple[Adjustment, ...] = ()
    cell: int | None = None
    """The number of the cell of a notebook, from 1; lines are then counted in the cell."""
    traits: CallTraits | None = None
    """Parameters of a call as its source gives them; None for a use that sends no requests."""
    evidence: Evidence | None = None
    """Recorded requests that may be of the call; None if they were not looked for."""


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Characters of a text, from `start` to before `end`, and what replaces them."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Examined:
    """All findings in the text of a file, and the edits that rewrite what can be rewritten."""

    findings: tuple[Finding, ...] = ()
    edits: tuple[Edit, ...] = ()


class OverlappingEdits(Exception):
    """Two edits change the same characters: a mistake of the language that made them."""


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with all edits made; raise `OverlappingEdits` if two meet."""
    pieces: list[str] = []
    position = 0
    for edit in sorted(set(edits)):
        if edit.start < position:
            raise OverlappingEdits(f"two edits meet at character {edit.start}")
        pieces += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*pieces, text[position:]])
