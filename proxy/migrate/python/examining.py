"""Examine one Python file."""

from __future__ import annotations

import re
from typing import Final

import libcst as cst

from proxy.migrate.findings import Edit, Examined, Finding, OverlappingEdits, Verdict, apply_edits
from proxy.migrate.planning import Target
from proxy.migrate.python.bodies import bodies_of
from proxy.migrate.python.langchain import langchain_of
from proxy.migrate.python.rest import constants, rest_of, retired_models
from proxy.migrate.python.sdk import SdkRewriter
from proxy.migrate.python.sdk_findings import finding_of
from proxy.migrate.python.source import Source

_LINE_END: Final = re.compile(r"\r\n|\n")


def examine(text: str, target: Target) -> Examined:
    """Find the legacy uses of a file, and the edits that rewrite what can be rewritten."""
    try:
        source = Source(text)
    except cst.ParserSyntaxError as exc:
        reason = f"The file cannot be parsed: {exc.message}"
        shape = "a file that mentions the legacy API"
        line = exc.raw_line
        return Examined(
            (Finding(line=line, shape=shape, verdict=Verdict.BY_HAND, reasons=(reason,)),)
        )
    rewriter = SdkRewriter(source, target)
    outcomes = rewriter.rewrite()
    findings = [finding_of(source, each, target) for each in outcomes]
    edits = [edit for each in outcomes for edit in each.edits]
    by_hand = [source.span(each.site.call) for each in outcomes if each.reason]
    more_findings, more_edits = rest_of(source, target, outcomes)
    findings += more_findings
    edits += more_edits
    taken = frozenset(id(each.site.parameters) for each in outcomes)
    body_findings, body_edits = bodies_of(source, target, taken)
    findings += body_findings
    edits += body_edits
    chain_findings, chain_edits = langchain_of(source, target)
    findings += chain_findings
    edits += chain_edits
    if outcomes or body_findings:
        parameters = [each.site.parameters for each in outcomes if each.site.parameters]
        said = [Edit(*source.span(each), "") for each in parameters]
        said += _spans_of(source, findings)
        findings += retired_models(source, target, [*edits, *said])
    left, removed = constants(source, edits, by_hand)
    findings += left
    edits += removed
    findings.sort(key=lambda found: (found.line, found.column))
    return _checked(source, findings, edits)


def _spans_of(source: Source, findings: list[Finding]) -> list[Edit]:
    """Return the lines of findings that are left to a person, as if they were edited."""
    return [
        Edit(source.start_of_line(each.line), _end_of_line(source, each.end_line or each.line), "")
        for each in findings
        if each.verdict is Verdict.BY_HAND
    ]


def _end_of_line(source: Source, line: int) -> int:
    return source.start_of_line(line + 1) if line < source.lines else len(source.text)


def _checked(source: Source, findings: list[Finding], edits: list[Edit]) -> Examined:
    """Return findings and edits; without the edits, if what they make cannot be parsed."""
    edits = [
        Edit(each.start, each.end, _LINE_END.sub(source.newline, each.text)) for each in set(edits)
    ]
    try:
        cst.parse_module(apply_edits(source.text, edits))
    except (cst.ParserSyntaxError, OverlappingEdits):
        reason = "It was not rewritten, because its changes do not fit together."
        return Examined(
            tuple(
                found
                if found.verdict is Verdict.BY_HAND
                else Finding(
                    line=found.line,
                    column=found.column,
                    end_line=found.end_line,
                    shape=found.shape,
                    verdict=Verdict.BY_HAND,
                    reasons=(reason,),
                )
                for found in findings
            )
        )
    return Examined(tuple(findings), tuple(sorted(edits)))
