"""
The legacy uses beside calls: constants of markers and their imports, types, mocks, other helpers.

Constants that nothing uses any more are no longer imported; the others are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from proxy.migrate.findings import Edit, Finding, Verdict
from proxy.migrate.planning import Target
from proxy.migrate.text import MARKERS
from proxy.migrate.typescript.arguments import keys_of
from proxy.migrate.typescript.nodes import FUNCTIONS, Node
from proxy.migrate.typescript.sdk import SdkOutcome
from proxy.migrate.typescript.source import Source
from proxy.migrate.typescript.texts import SDK

_TYPES: Final = frozenset(
    {"Completion", "CompletionCreateParams", "CompletionCreateParamsNonStreaming"}
    | {"CompletionCreateParamsStreaming", "Completions", "SamplingParameters"}
    | {"CompletionResponse"}
)
_MEMBERS: Final = frozenset({"member_expression", "nested_type_identifier", "nested_identifier"})
_NO_TYPES: Final = frozenset({"import_clause", "import_specifier", "new_expression"})
_NAMES: Final = frozenset({"identifier", "type_identifier"})
_VERCEL: Final = """\
const encoder = new TextEncoder();
const body = new ReadableStream({
  async start(controller) {
    for await (const event of stream) {
      if (event.type !== "content_block_delta" || event.delta.type !== "text_delta") continue;
      controller.enqueue(encoder.encode(event.delta.text));
    }
    controller.close();
  },
});
return new Response(body);"""


def rest_of(
    source: Source, target: Target, outcomes: Sequence[SdkOutcome], edits: Sequence[Edit]
) -> tuple[list[Finding], list[Edit]]:
    """Return what else is found in a file, and the edits of it."""
    findings: list[Finding] = []
    is_ours = bool(outcomes) or any(
        each.kind == "string" and source.code(each).strip("\"'") == SDK for each in source.nodes
    )
    for node in source.nodes:
        if node.kind == "call_expression":
            findings += _helpers(source, node, target)
            if is_ours:
                findings += _spied(source, node)
        elif node.kind in _MEMBERS | _NAMES:
            findings += _types(source, node, edits)
        if is_ours and node.kind in {"member_expression", "pair"}:
            findings += _mocked(source, node)
    removed_findings, removed = _constants(source, outcomes, edits)
    return [*findings, *removed_findings], removed


def finding_at(source: Source, node: Node, shape: str, reason: str, code: str = "") -> Finding:
    return Finding(
        line=source.line(node),
        column=source.column(node),
        end_line=source.line_at(node.end),
        shape=shape,
        verdict=Verdict.BY_HAND,
        reasons=(reason,),
        code=code,
    )


def _helpers(source: Source, call: Node, target: Target) -> Iterator[Finding]:
    """Yield what other packages do with legacy answers and prompts."""
    function, arguments = call.named[0], call.named[-1].named
    origin = source.origin(function) if function.kind in _MEMBERS | _NAMES else None
    if origin == ("ai", "AnthropicStream"):
        yield finding_at(
            source,
            call,
            "AnthropicStream of the AI SDK",
            "The newest AI SDK has no `AnthropicStream`; a stream of messages is one of events.",
            _VERCEL,
        )
    elif origin == ("@anthropic-ai/tokenizer", "countTokens") and arguments:
        yield finding_at(
            source,
            call,
            "countTokens of @anthropic-ai/tokenizer",
            "Tokens are counted by the API now, for a model and a conversation.",
            "const { input_tokens } = await client.messages.countTokens({\n"
            f'  model: "{target.example_model}",\n'
            f'  messages: [{{ role: "user", content: {source.code(arguments[0])} }}],\n'
            "});",
        )


def _spied(source: Source, call: Node) -> Iterator[Finding]:
    """Yield `jest.spyOn(client.completions, "create")` and the like."""
    arguments = call.named[-1].named
    if not source.code(call.named[0]).endswith((".spyOn", ".stub", ".fn")) or not arguments:
        return
    first = source.code(arguments[0])
    if first.endswith(".completions") and not first.endswith(".chat.completions"):
        yield finding_at(source, call, "a mock of a call", "The call is `messages.create` now.")


def _mocked(source: Source, node: Node) -> Iterator[Finding]:
    """Yield a call that is spoken of and not made, and an object in the place of a client."""
    code, parent = source.code(node), node.parent
    if node.kind == "pair":
        is_mock = source.code(node.named[0]) == "completions" and "create" in keys_of(
            source, node.named[-1]
        )
    else:
        is_call = parent is not None and parent.kind == "call_expression"
        is_mock = code.endswith(".completions.create") and not is_call
        is_mock = is_mock and not code.endswith(".chat.completions.create")
    if is_mock and not any(source.code(each).startswith("chat:") for each in node.ancestors()):
        yield finding_at(source, node, "a mock of a call", "The call is `messages.create` now.")


def _types(source: Source, node: Node, edits: Sequence[Edit]) -> Iterator[Finding]:
    """Yield the SDK's types of legacy calls and answers, and its class of 0.4."""
    parent = node.parent
    if parent is None or parent.kind in _MEMBERS or _is_changed(node, edits):
        return
    origin = source.origin(node)
    is_ours = origin is not None and f"{origin[0]}/".startswith(f"{SDK}/")
    if is_ours and origin is not None and origin[1] in _TYPES and parent.kind not in _NO_TYPES:
        yield finding_at(
            source,
            node,
            "a type of the SDK",
            "Answers are `Anthropic.Message`, parameters `Anthropic.MessageCreateParams`.",
        )


def _is_changed(node: Node, edits: Sequence[Edit]) -> bool:
    return any(edit.start < node.end and node.start < edit.end for edit in edits)


def _constants(
    source: Source, outcomes: Sequence[SdkOutcome], edits: Sequence[Edit]
) -> tuple[list[Finding], list[Edit]]:
    """Return the constants that are left, and the edits that take out those that nothing uses."""
    findings: list[Finding] = []
    removed: list[Edit] = []
    for node in source.nodes:
        if node.kind in {"named_imports", "object_pattern"}:
            removed += _unused(source, node, edits)
    left: set[int] = set()
    for node in source.nodes:
        if node.kind not in {"member_expression", "identifier"} or _is_covered(node, edits):
            continue
        line, name = source.line(node), _constant(source, node)
        if name is None or line in left or _is_declared(node) or _is_by_hand(node, outcomes):
            continue
        left.add(line)
        reason = f"The newest SDKs have no {name}; turns are messages now."
        findings.append(finding_at(source, node, "a constant of the SDK", reason))
    if removed:
        first = min(removed)
        findings.append(
            Finding(
                line=source.line_at(first.start),
                shape="an import of HUMAN_PROMPT or AI_PROMPT",
                verdict=Verdict.REWRITTEN,
                reasons=("Nothing uses it any more.",),
            )
        )
    return findings, removed


def _constant(source: Source, node: Node) -> str | None:
    origin = source.origin(node)
    is_marker = origin is not None and origin[0] == SDK and origin[1] in MARKERS
    return origin[1] if is_marker and origin is not None else None


def _is_declared(node: Node) -> bool:
    return node.parent is not None and node.parent.kind in {"import_specifier", "pair_pattern"}


def _is_by_hand(node: Node, outcomes: Sequence[SdkOutcome]) -> bool:
    """Return True for a constant in a function with a call that is left alone."""
    around = [each for each in node.ancestors() if each.kind in FUNCTIONS]
    for call in (each.site.call for each in outcomes if each.reason):
        functions = [one for one in call.ancestors() if one.kind in FUNCTIONS]
        if not functions or functions[0] in around:
            return True
    return False


def _is_covered(node: Node, edits: Sequence[Edit]) -> bool:
    return any(edit.start <= node.start and node.end <= edit.end for edit in edits)


def _unused(source: Source, node: Node, edits: Sequence[Edit]) -> list[Edit]:
    """Return the edits that take the unused constants out of an import, or out of a pattern."""
    names = node.named
    dead = [each for each in names if _is_dead(source, each, edits)]
    if not dead:
        return []
    kept = [each for each in names if each not in dead]
    if not kept:
        return _without(source, node)
    edited: list[Edit] = []
    for index, each in enumerate(names):
        if each not in dead:
            continue
        if any(other in kept for other in names[index:]):
            edited.append(Edit(each.start, names[index + 1].start, ""))
        else:
            edited.append(Edit(kept[-1].end, names[-1].end, ""))
            break
    return edited


def _is_dead(source: Source, each: Node, edits: Sequence[Edit]) -> bool:
    local = each.named[-1] if each.named else each
    return _constant(source, local) is not None and all(
        _is_covered(reference, edits) for reference in source.references(local)
    )


def _without(source: Source, node: Node) -> list[Edit]:
    """Take out a whole list of names, with the statement if nothing else is in it."""
    parent = node.parent
    assert parent is not None
    if parent.kind == "import_clause" and len(parent.named) > 1:
        return [Edit(parent.named[0].end, node.end, "")]
    statement = parent.parent
    if statement is None or len(statement.named) > (2 if parent.kind == "import_clause" else 1):
        return []
    return [Edit(*lines_of(source, statement), "")]


def lines_of(source: Source, statement: Node) -> tuple[int, int]:
    """Return the whole lines of a statement, or only itself if others share them."""
    start, end = source.line_span(statement)
    is_alone = source.begins_line(statement.start) and not source.text[statement.end : end].strip()
    return (start, end) if is_alone else statement.span
