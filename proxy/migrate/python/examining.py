"""Examine one Python file."""

from __future__ import annotations

import libcst as cst

from proxy.migrate.findings import Edit, Examined, Finding, Verdict
from proxy.migrate.outcomes import fitting
from proxy.migrate.planning import Target
from proxy.migrate.python.bodies import bodies_of
from proxy.migrate.python.langchain import langchain_of
from proxy.migrate.python.rest import constants, rest_of, retired_models, words_left
from proxy.migrate.python.sdk import SdkRewriter
from proxy.migrate.python.sdk_findings import finding_of
from proxy.migrate.python.source import Source


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
    parameters = [each.site.parameters for each in outcomes if each.site.parameters]
    said = [*edits, *(Edit(*source.span(each), "") for each in parameters)]
    said += _spans_of(source, findings)
    words = list(words_left(source, target, said))
    if outcomes or body_findings or words:
        said += _spans_of(source, words)
        findings += retired_models(source, target, said)
    findings += words
    left, removed = constants(source, edits, by_hand)
    findings += left
    edits += removed
    findings.sort(key=lambda found: (found.line, found.column))
    return fitting(source.text, source.newline, findings, edits, parses=parses)


def _spans_of(source: Source, findings: list[Finding]) -> list[Edit]:
    """Return the lines of findings that are left to a person, as if they were edited."""
    return [
        Edit(source.start_of_line(each.line), _end_of_line(source, each.end_line or each.line), "")
        for each in findings
        if each.verdict is Verdict.BY_HAND
    ]


def _end_of_line(source: Source, line: int) -> int:
    return source.start_of_line(line + 1) if line < source.lines else len(source.text)


def parses(text: str) -> bool:
    """Return True if a text is Python."""
    try:
        cst.parse_module(text)
    except cst.ParserSyntaxError:
        return False
    return True
