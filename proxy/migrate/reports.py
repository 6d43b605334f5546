"""Say what was found: for people, as JSON, as SARIF 2.1.0, as annotations of GitHub, as a diff."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from proxy.migrate.evidence import data_of, sentences_of
from proxy.migrate.files import FileResult
from proxy.migrate.findings import Finding, Verdict
from proxy.migrate.keys import has_key, without_keys
from translators import EXPLANATIONS

_CONTEXT_LINES: Final = 3
_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_LEVELS: Final = {Verdict.REWRITTEN: "notice", Verdict.LOOK: "warning", Verdict.BY_HAND: "error"}
_RULES: Final = {
    Verdict.REWRITTEN: "legacy-call-rewritten",
    Verdict.LOOK: "legacy-call-rewritten-look",
    Verdict.BY_HAND: "legacy-call-by-hand",
}


def place_of(path: Path, finding: Finding) -> str:
    """Return `file:line`, with the cell of a notebook."""
    cell = "" if finding.cell is None else f"cell {finding.cell}:"
    return f"{path.as_posix()}:{cell}{finding.line}"


def notes_of(finding: Finding) -> list[str]:
    """Return all that is said of a finding: model, reasons, adjustments, what was recorded."""
    notes = list(finding.reasons)
    if finding.models is not None and finding.models[0] != finding.models[1]:
        notes.insert(0, f"{finding.models[0]} -> {finding.models[1]}")
    notes += [
        f"{each.kind.value} ({each.field}): {EXPLANATIONS[each.kind]}"
        for each in finding.adjustments
        if each.kind.value != "replace_retired_model"
    ]
    if finding.evidence is not None:
        notes += sentences_of(finding.evidence)
    return [without_keys(note) for note in notes]


def in_lines(result: FileResult) -> Iterator[str]:
    """Yield the lines for people about one file."""
    for finding in result.findings:
        place = place_of(result.path, finding)
        yield f"{place}   {finding.shape}   {finding.verdict.value}"
        for note in notes_of(finding):
            yield f"  {note}"
        for line in without_keys(finding.code).split("\n") if finding.code else ():
            yield f"    {line}"


def summary(results: Iterable[FileResult]) -> str:
    """Return the last line for people."""
    results = tuple(results)
    verdicts = [finding.verdict for result in results for finding in result.findings]
    if not verdicts:
        return "No legacy use was found."
    rewritten = verdicts.count(Verdict.REWRITTEN)
    looks = verdicts.count(Verdict.LOOK)
    by_hand = verdicts.count(Verdict.BY_HAND)
    uses = "1 legacy use" if len(verdicts) == 1 else f"{len(verdicts)} legacy uses"
    files = "1 file" if len(results) == 1 else f"{len(results)} files"
    return (
        f"{uses} in {files}: {rewritten} rewritten, {looks} rewritten to be looked at, {by_hand}"
        " by hand."
    )


def as_json(results: Iterable[FileResult]) -> dict[str, object]:
    """Return everything as JSON data."""
    return {
        "files": [
            {
                "path": result.path.as_posix(),
                "findings": [_finding_data(finding) for finding in result.findings],
            }
            for result in results
        ]
    }


def _finding_data(finding: Finding) -> dict[str, object]:
    evidence = finding.evidence
    return {
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "cell": finding.cell,
        "shape": finding.shape,
        "verdict": finding.verdict.value,
        "reasons": [without_keys(reason) for reason in finding.reasons],
        "code": without_keys(finding.code) or None,
        "models": finding.models,
        "adjustments": [
            {"kind": each.kind.value, "field": each.field, "asked": each.asked, "sent": each.sent}
            for each in finding.adjustments
        ],
        "evidence": None if evidence is None else data_of(evidence),
    }


def as_sarif(results: Iterable[FileResult]) -> dict[str, object]:
    """Return findings as SARIF 2.1.0."""
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "holdover migrate",
                        "rules": [{"id": rule} for rule in _RULES.values()],
                    }
                },
                "results": [
                    {
                        "ruleId": _RULES[finding.verdict],
                        "level": _LEVELS[finding.verdict].replace("notice", "note"),
                        "message": {"text": _message(finding)},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {"uri": result.path.as_posix()},
                                    "region": {
                                        "startLine": finding.line,
                                        "startColumn": finding.column,
                                    },
                                }
                            }
                        ],
                    }
                    for result in results
                    for finding in result.findings
                ],
            }
        ],
    }


def _message(finding: Finding) -> str:
    return ": ".join((finding.shape, finding.verdict.value)) + "".join(
        f"\n{note}" for note in notes_of(finding)
    )


def annotation_of(path: Path, finding: Finding) -> str:
    """Return a workflow command that GitHub shows in a pull request."""
    properties = (
        f"file={_property(path.as_posix())},line={finding.line},col={finding.column},"
        f"title={_property(finding.shape)}"
    )
    return f"::{_LEVELS[finding.verdict]} {properties}::{_data(_message(finding))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def diff_of(result: FileResult, path: str) -> bytes | None:
    """
    Return the diff of a file for `git apply`; None if it would show a key.

    A diff that shows less around a change is tried first.
    """
    before, after = _decoded(result.before), _decoded(result.after)
    for context in range(_CONTEXT_LINES, 0, -1):
        lines = list(
            difflib.unified_diff(
                _LINES.findall(before),
                _LINES.findall(after),
                f"a/{path}",
                f"b/{path}",
                n=context,
            )
        )
        if not any(has_key(line) for line in lines):
            text = "".join(
                line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
                for line in lines
            )
            head = f"diff --git a/{path} b/{path}\n"
            return (head + text).encode("latin-1") if text else b""
    return None


def _decoded(data: bytes) -> str:
    """Return bytes as characters of the same number: a diff has no encoding."""
    return data.decode("latin-1")
