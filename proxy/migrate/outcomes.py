"""
What becomes of the legacy uses of one file, in whatever language it is written.

A use is rewritten as a whole or left alone with a reason; uses that share something are rewritten
together or not at all; and edits count only if the file can be parsed with all of them made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from proxy.migrate.calls import LegacyCall, NewCall, Reason
from proxy.migrate.findings import Edit, Examined, Finding, OverlappingEdits, Verdict, apply_edits
from proxy.migrate.planning import Target, plan_call
from proxy.migrate.traits import CallTraits

Node = TypeVar("Node")
Value = TypeVar("Value")
Missing = TypeVar("Missing")

_LINE_END: Final = re.compile(r"\r\n|\n")


class CannotRewrite(Exception):
    """A legacy use cannot be rewritten; the message is a sentence that says why."""


class CannotRead(CannotRewrite):
    """A part of a legacy use cannot be read from the source."""


def planned(call: LegacyCall, target: Target) -> NewCall:
    """Return the call that replaces a legacy one; raise `CannotRewrite` if none does."""
    new = plan_call(call, target)
    if isinstance(new, Reason):
        raise CannotRewrite(new.text)
    return new


def planned_whole(call: LegacyCall, target: Target) -> NewCall:
    """Return the request that replaces a legacy one, if its answer is no stream."""
    new = planned(call, target)
    if new.stream:
        raise CannotRewrite(
            "The answer is a stream of events: the text is in those of the type "
            "`content_block_delta`, in `delta.text`."
        )
    return new


def known_value(
    node: Node | None, read: Callable[[Node], Value | None], *, missing: Missing, is_whole: bool
) -> Value | Missing | None:
    """
    Return the value of a parameter, or None if it is not known.

    `missing` is that of one that is not sent, which is certain if all parameters are in sight.
    """
    if node is None:
        return missing if is_whole else None
    try:
        return read(node)
    except CannotRead:
        return None


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The edits that rewrite one legacy use, or the reason why it is left alone."""

    edits: list[Edit] = field(default_factory=list)
    keys: set[Hashable] = field(default_factory=set)
    """What the use shares with others, such as its client or a name."""
    call: LegacyCall | None = None
    new: NewCall | None = None
    known: CallTraits | None = None
    """What the source says of the requests, even if the call cannot be read."""
    looks: list[str] = field(default_factory=list)
    reason: str = ""

    def leave(self, reason: str) -> None:
        """Leave the use alone."""
        self.reason, self.edits = reason, []

    def finding(
        self, *, line: int, column: int, end_line: int, shape: str, code: Callable[[], str]
    ) -> Finding:
        """Return what is said of the use; `code` is what a person would write in its place."""
        place = Finding(
            line=line,
            column=column,
            end_line=end_line,
            shape=shape,
            verdict=Verdict.BY_HAND,
            traits=self.known,
        )
        if self.reason or self.new is None:
            return replace(place, reasons=(self.reason,), code=code())
        asked = None if self.call is None else self.call.model
        models = None
        if isinstance(asked, str) and isinstance(self.new.model, str):
            models = (asked, self.new.model)
        notes = (
            f"A space or line end at the start of `{each}` is sent now; it was taken for the "
            "marker's."
            for each in self.new.edges
        )
        return replace(
            place,
            verdict=Verdict.LOOK if self.looks else Verdict.REWRITTEN,
            reasons=(*dict.fromkeys(self.looks), *notes),
            models=models,
            adjustments=self.new.adjustments,
        )


def fail_together(outcomes: Sequence[Outcome], lines: Sequence[int]) -> None:
    """Leave uses alone that share something with one that is; `lines` are where they stand."""
    while True:
        failed = {
            key: line
            for each, line in zip(outcomes, lines, strict=True)
            if each.reason
            for key in each.keys
        }
        shared = [
            (each, next((failed[key] for key in each.keys if key in failed), None))
            for each in outcomes
            if not each.reason
        ]
        for each, line in shared:
            if line is not None:
                each.leave(
                    "It shares its client, a name or its parameters with the call in line "
                    f"{line}, which is not rewritten."
                )
        if all(line is None for _, line in shared):
            return


def fail_where_changes_meet(outcomes: Sequence[Outcome], line_at: Callable[[int], int]) -> None:
    """Leave uses alone whose changes are within each other, such as an answer in a prompt."""
    changes = sorted(
        (edit, index) for index, each in enumerate(outcomes) for edit in set(each.edits)
    )
    for number, (edit, index) in enumerate(changes):
        for other, owner in changes[number + 1 :]:
            if other.start >= edit.end:
                break
            if other != edit:
                for each in (outcomes[index], outcomes[owner]):
                    each.leave(
                        "What changes in it and what changes in another use meet in line "
                        f"{line_at(other.start)}: assign the one to a name first."
                    )


def fitting(
    text: str,
    newline: str,
    findings: Iterable[Finding],
    edits: Iterable[Edit],
    *,
    parses: Callable[[str], bool],
) -> Examined:
    """
    Return findings and edits, whose line ends become those of the file.

    Without the edits, if they meet each other or make what cannot be parsed: then all is by hand.
    """
    written = sorted(
        Edit(each.start, each.end, _LINE_END.sub(newline, each.text)) for each in set(edits)
    )
    try:
        fits = parses(apply_edits(text, written))
    except OverlappingEdits:
        fits = False
    if fits:
        return Examined(tuple(findings), tuple(written))
    return Examined(
        tuple(each if each.verdict is Verdict.BY_HAND else _by_hand(each) for each in findings)
    )


def _by_hand(finding: Finding) -> Finding:
    return Finding(
        line=finding.line,
        column=finding.column,
        end_line=finding.end_line,
        shape=finding.shape,
        verdict=Verdict.BY_HAND,
        reasons=(
            "It was not rewritten, because its changes do not fit together: what one use takes from"
            " another should have a name of its own.",
        ),
        traits=finding.traits,
    )
