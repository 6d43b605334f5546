"""Examine one file of JavaScript or TypeScript."""

from __future__ import annotations

import re
from typing import Final

from proxy.migrate.findings import Examined, Finding, Verdict
from proxy.migrate.outcomes import fitting
from proxy.migrate.planning import Target
from proxy.migrate.typescript.bedrock import BedrockRewriter
from proxy.migrate.typescript.langchain import LangchainRewriter
from proxy.migrate.typescript.listed import listed_of
from proxy.migrate.typescript.nodes import first_error, parse
from proxy.migrate.typescript.posts import PostRewriter
from proxy.migrate.typescript.rest import rest_of
from proxy.migrate.typescript.sdk import SdkRewriter
from proxy.migrate.typescript.sdk_findings import finding_of
from proxy.migrate.typescript.source import Source

_MADE: Final = re.compile(r"^//[#@] sourceMappingURL=(?!data:)", re.MULTILINE)
_AWAIT_GROUP: Final = re.compile(r"\bawait\s*\(")
"""The grammar of JavaScript takes this for a call of `await`; that of TypeScript does not."""
_LONGEST_LINE: Final = 5_000
_FILE: Final = "a file that mentions the legacy API"


def examine_typescript(text: str, target: Target) -> Examined:
    """Find the legacy uses of a TypeScript file, and the edits that rewrite what can be."""
    return _examine(text, target, ("typescript",))


def examine_tsx(text: str, target: Target) -> Examined:
    """Find the legacy uses of a TypeScript file with JSX."""
    return _examine(text, target, ("tsx",))


def examine_javascript(text: str, target: Target) -> Examined:
    """Find the legacy uses of a JavaScript file; some have types after all."""
    return _examine(text, target, ("javascript", "tsx"))


def _examine(text: str, target: Target, grammars: tuple[str, ...]) -> Examined:
    if _MADE.search(text) or max(map(len, text.split("\n"))) > _LONGEST_LINE:
        return _by_hand(1, "The file is made by a program of another, which is to be changed.")
    roots = [(grammar, parse(text, grammar)) for grammar in grammars[:1]]
    roots += [
        (grammar, parse(text, grammar)) for grammar in grammars[1:] if first_error(roots[0][1])
    ]
    grammar, root = next((each for each in roots if not first_error(each[1])), roots[0])
    if grammar == "javascript" and _AWAIT_GROUP.search(text):
        as_typed = parse(text, "tsx")
        root = root if first_error(as_typed) else as_typed
    source = Source(text, root, is_typed=grammar != "javascript")
    if (error := first_error(root)) is not None:
        line = source.line(error)
        return _by_hand(line, "The file cannot be parsed from this line on.")
    outcomes = SdkRewriter(source, target).rewrite()
    findings = [finding_of(source, each, target) for each in outcomes]
    edits = [edit for each in outcomes for edit in each.edits]
    examined = [each.site.call for each in outcomes]
    examined += [each.site.parameters for each in outcomes if each.site.parameters]
    rewriter = PostRewriter(source, target)
    for post in rewriter.rewrite(frozenset(map(id, examined))):
        findings.append(rewriter.finding(post))
        edits += post.edits
        examined += [post.post.call, post.post.body]
    for_bedrock = BedrockRewriter(source, target)
    for body in for_bedrock.rewrite():
        findings.append(for_bedrock.finding(body))
        edits += body.edits
        examined.append(body.body)
    for_langchain = LangchainRewriter(source, target)
    made = for_langchain.rewrite(examined)
    findings += [for_langchain.finding(each) for each in made]
    findings += for_langchain.others(made)
    for each in made:
        edits += each.edits
        examined += [each.options.made, *([each.options.node] if each.options.node else [])]
    more_findings, more_edits = rest_of(source, target, outcomes, edits)
    findings += more_findings
    edits += more_edits
    findings += listed_of(source, target, examined, edits)
    findings.sort(key=lambda found: (found.line, found.column))
    return fitting(
        text,
        source.newline,
        findings,
        edits,
        parses=lambda written: first_error(parse(written, grammar)) is None,
    )


def _by_hand(line: int, reason: str) -> Examined:
    return Examined((Finding(line=line, shape=_FILE, verdict=Verdict.BY_HAND, reasons=(reason,)),))
