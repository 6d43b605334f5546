"""List the legacy uses that are not rewritten: bodies of requests, addresses, models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from proxy.migrate.elsewhere import RETIRED_MODEL
from proxy.migrate.findings import Edit, Finding
from proxy.migrate.planning import Target
from proxy.migrate.traits import CallTraits
from proxy.migrate.typescript.arguments import ArgumentReader
from proxy.migrate.typescript.bodies import bodies_in
from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import Node
from proxy.migrate.typescript.rest import finding_at
from proxy.migrate.typescript.source import Source

_PATH: Final = "/v1/complete"
_PARAMETER: Final = "max_tokens_to_sample"
_ASK: Final = (
    "Ask `/v1/messages`: text before the first `Human:` becomes `system`, turns become `messages`, "
    "and the answer's text is in `content`."
)
_BODY: Final = """\
const response = await fetch("https://api.anthropic.com/v1/messages", {{
  method: "POST",
  headers: {{
    "content-type": "application/json",
    "x-api-key": process.env.ANTHROPIC_API_KEY,
    "anthropic-version": "2023-06-01",
  }},
  body: JSON.stringify({{
    model: "{model}",
    max_tokens: 300,
    messages: [{{ role: "user", content: "..." }}], // the turns, without markers
  }}),
}});
const message = await response.json();
const text = message.content.map((block) => (block.type === "text" ? block.text : "")).join("");"""
BEDROCK_SHAPE: Final = "a body for Bedrock"
BEDROCK_REASON: Final = (
    "Bedrock is another product: the body is that of the Messages API, for a model that Bedrock "
    "serves to you; the answer's text is in `content`."
)
BEDROCK_BODY: Final = """\
body: JSON.stringify({
  anthropic_version: "bedrock-2023-05-31",
  max_tokens: 300,
  messages: [{ role: "user", content: "..." }], // the turns, without markers
})"""


def example_post(target: Target) -> str:
    """Return a post to the Messages API."""
    return _BODY.format(model=target.example_model)


def listed_of(
    source: Source, target: Target, examined: Sequence[Node], edits: Sequence[Edit]
) -> Iterator[Finding]:
    """Yield what is listed of a file, but for what is in the calls and objects `examined`."""
    bodies = list(bodies_in(source, frozenset(map(id, examined))))
    for body in bodies:
        yield _body(source, body, target)
    spans = [node.span for node in (*examined, *bodies)]
    for node in source.nodes:
        if _is_parameter(source, node) and not _is_within(node, spans, edits):
            yield finding_at(
                source, node, "a parameter of a legacy request", _ASK, example_post(target)
            )
        if node.kind in {"string", "template_string"} and not _is_within(node, spans, edits):
            yield from _word(source, node, target, has_body=bool(bodies))


def _is_parameter(source: Source, node: Node) -> bool:
    """Return True for the name of the API's parameter as a key, or where it is assigned to."""
    parent = node.parent
    if parent is None or source.code(node).strip("\"'") != _PARAMETER:
        return False
    if parent.kind == "pair":
        return parent.named[0] is node
    around = parent.parent
    is_member = parent.kind in {"member_expression", "subscript_expression"}
    is_left = around is not None and around.kind == "assignment_expression"
    return is_member and is_left and around is not None and around.named[0] is parent


def _is_within(node: Node, spans: list[tuple[int, int]], edits: Sequence[Edit]) -> bool:
    """Return True for a string that something else is said of, or that is changed."""
    return any(start <= node.start and node.end <= end for start, end in spans) or any(
        edit.start < node.end and node.start < edit.end for edit in edits
    )


def _body(source: Source, node: Node, target: Target) -> Finding:
    if "InvokeModel" in source.text or "bedrock" in source.text.lower():
        return finding_at(
            source,
            node,
            BEDROCK_SHAPE,
            BEDROCK_REASON,
            BEDROCK_BODY,
        )
    found = finding_at(
        source,
        node,
        "the body of a legacy request",
        _ASK,
        example_post(target),
    )
    # An object with a name may be changed before it is sent, and any other be added to.
    parent = node.parent
    if parent is not None and parent.kind == "variable_declarator":
        return replace(found, traits=CallTraits())
    known, call = ArgumentReader(source).known(node), parent.parent if parent is not None else None
    is_whole = call is not None and source.code(call).startswith("JSON.stringify(")
    return replace(found, traits=known if is_whole else known.of_a_part())


def _word(source: Source, node: Node, target: Target, *, has_body: bool) -> Iterator[Finding]:
    text = string_value(source.text, node)
    at = source.code(node).find(_PATH)
    after = source.code(node)[at + len(_PATH) : at + len(_PATH) + 1]
    if at >= 0 and not (after.isalnum() or after in {"_", "/"}):
        reason = "The path of the Messages API is `/v1/messages`."
        code = "" if has_body else example_post(target)
        yield finding_at(source, node, "the path /v1/complete", reason, code)
    elif text is not None and RETIRED_MODEL.fullmatch(text):
        reason = f"{text} is retired; name a model that is served today."
        yield finding_at(source, node, "a model that is retired", reason)
