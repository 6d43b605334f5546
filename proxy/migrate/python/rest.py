"""
The legacy uses beside calls: exceptions of 0.2, counting of tokens, mocks, constants of markers.

Exceptions are rewritten with the calls; constants that nothing uses any more are no longer
imported; the others are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import libcst as cst

from proxy.migrate.elsewhere import RETIRED_MODEL
from proxy.migrate.findings import Edit, Finding, Verdict
from proxy.migrate.planning import Target
from proxy.migrate.python.bodies import example_body
from proxy.migrate.python.sdk import SdkOutcome
from proxy.migrate.python.sites import is_client
from proxy.migrate.python.source import Source, called_name, dotted
from proxy.migrate.text import MARKERS

_EXCEPTION: Final = frozenset({"anthropic.ApiException", "anthropic.api.ApiException"})
_RAW: Final = (
    ".completions.with_raw_response.create",
    ".completions.with_streaming_response.create",
)
_TYPES: Final = frozenset({"anthropic.types.Completion", "anthropic.types.CompletionCreateParams"})
_OURS: Final = re.compile("anthropic|claude|max_tokens_to_sample", re.IGNORECASE)
_PATH: Final = re.compile(r"/v1/complete(?![\w/])")
_PARAMETER: Final = "max_tokens_to_sample"
_ASK: Final = (
    "Ask `/v1/messages`: text before the first `Human:` becomes `system`, turns become `messages`, "
    "and the answer's text is in `content`."
)
_MOCKED: Final = frozenset({"return_value", "side_effect"})


def rest_of(
    source: Source, target: Target, outcomes: Sequence[SdkOutcome]
) -> tuple[list[Finding], list[Edit]]:
    """Return what else is found in a file, and the edits of it."""
    if not _imports_anthropic(source) and not outcomes:
        if not _OURS.search(source.text):
            return [], []
        model = target.example_model
        return [each for node in source.nodes for each in _mocks(source, node, model)], []
    findings: list[Finding] = []
    edits: list[Edit] = []
    makers = {id(each.site.maker) for each in outcomes}
    is_kept = any(each.reason and each.site.era == "0.2" for each in outcomes)
    for node in source.nodes:
        findings += _mocks(source, node, target.example_model)
        if isinstance(node, cst.Call):
            findings += _counting(source, node, target.example_model)
            findings += _client(source, node, makers)
        elif isinstance(node, cst.Attribute):
            findings += _handed_on(source, node)
        if isinstance(node, cst.Name | cst.Attribute):
            findings += _types(source, node)
    found, changed = _exceptions(source, is_kept=is_kept)
    return [*findings, *found], [*edits, *changed]


def _imports_anthropic(source: Source) -> bool:
    return any(
        isinstance(node, cst.Import | cst.ImportFrom) and "anthropic" in source.code(node)
        for node in source.nodes
    )


def _finding(
    source: Source, node: cst.CSTNode, shape: str, *reasons: str, code: str = ""
) -> Finding:
    start, end = source.span(node)
    return Finding(
        line=source.line_at(start),
        column=source.column_at(start),
        end_line=source.line_at(end),
        shape=shape,
        verdict=Verdict.BY_HAND,
        reasons=reasons,
        code=code,
    )


def _mocks(source: Source, node: cst.CSTNode, model: str) -> Iterator[Finding]:
    if isinstance(node, cst.Call):
        yield from _mock(source, node, model)
    elif isinstance(node, cst.Attribute):
        yield from _mocked(source, node)


def _client(source: Source, call: cst.Call, makers: set[int]) -> Iterator[Finding]:
    """List a client of 0.2 that no call of this file is made by."""
    if source.qualified(call.func) != "anthropic.Client" or id(call) in makers:
        return
    if call.args and call.args[0].keyword is None and not call.args[0].star:
        key = source.code(call.args[0].value)
        yield _finding(
            source,
            call,
            "a client of SDK 0.2",
            "Since SDK 0.3 a client takes its key by name, and raises a TypeError otherwise.",
            code=f"anthropic.Anthropic(api_key={key})",
        )


def _handed_on(source: Source, node: cst.Attribute) -> Iterator[Finding]:
    """List a method that is not called: an argument of `partial`, `to_thread` and the like."""
    if node.attr.value != "create" or not isinstance(node.value, cst.Attribute):
        return
    client, parent = node.value.value, source.parent(node)
    is_used = isinstance(parent, cst.Attribute) or (
        isinstance(parent, cst.Call) and parent.func is node
    )
    if node.value.attr.value != "completions" or is_used or not is_client(source, client):
        return
    yield _finding(
        source,
        node,
        "completions.create, which is handed on",
        "The function is called elsewhere, with arguments that are of the legacy API.",
        code=f"{source.code(client)}.messages.create",
    )


def _counting(source: Source, call: cst.Call, model: str) -> Iterator[Finding]:
    if called_name(call) != "count_tokens" or len(call.args) != 1 or call.args[0].keyword:
        return
    text = source.code(call.args[0].value)
    client = dotted(call.func.value) if isinstance(call.func, cst.Attribute) else "client"
    name = "client" if client in {None, "anthropic"} else client
    yield _finding(
        source,
        call,
        "count_tokens",
        "Tokens are counted by the API now, for a model and a conversation.",
        code=f"{name}.messages.count_tokens(\n"
        f'    model="{model}",\n'
        f'    messages=[{{"role": "user", "content": {text}}}],\n'
        ").input_tokens",
    )


def _mock(source: Source, call: cst.Call, model: str) -> Iterator[Finding]:
    name = called_name(call) or ""
    if "Mock" in name or name == "SimpleNamespace":
        if any(arg.keyword and arg.keyword.value == "completion" for arg in call.args):
            yield _finding(
                source,
                call,
                "a mock of an answer",
                "A message has its text in content blocks.",
                code='SimpleNamespace(content=[SimpleNamespace(type="text", text=...)], '
                'stop_reason="end_turn")',
            )
    elif name == "create" and (source.code(call.func)).endswith(_RAW):
        if any(arg.keyword and arg.keyword.value == "max_tokens_to_sample" for arg in call.args):
            yield _finding(
                source,
                call,
                "completions.create with its response",
                "The response is `messages.with_raw_response.create(...)` now, and what is parsed "
                "of it a message.",
                code=f"{source.code(call.func).replace('.completions.', '.messages.')}(\n"
                f'    model="{model}",\n    max_tokens=...,\n'
                '    messages=[{"role": "user", "content": ...}],  # the turns, without markers\n'
                ")",
            )
    elif name in {"patch", "object", "setattr"}:
        words = [
            str(each.evaluated_value)
            for arg in call.args
            if isinstance(each := arg.value, cst.SimpleString)
        ]
        if any("completions" in word and "chat" not in word for word in words):
            yield _finding(
                source,
                call,
                "a mock of a call",
                "The call is `messages.create` now.",
                code="\n".join(
                    word.replace("completions", "messages").replace("Completions", "Messages")
                    for word in words
                    if "ompletions" in word
                ),
            )


def _mocked(source: Source, node: cst.Attribute) -> Iterator[Finding]:
    name = node.attr.value
    if name not in _MOCKED and not name.startswith("assert_"):
        return
    chain = dotted(node.value) or ""
    if chain.endswith(".completions.create") and ".chat." not in chain:
        new = chain.removesuffix(".completions.create")
        yield _finding(
            source,
            node,
            "a mock of a call",
            "The call is `messages.create` now.",
            code=f"{new}.messages.create.{name}",
        )


def _types(source: Source, node: cst.Name | cst.Attribute) -> Iterator[Finding]:
    name = source.qualified(node) or ""
    if name in _TYPES and not _is_in_import(source, node):
        yield _finding(source, node, "a type of the SDK", "Answers are `anthropic.types.Message`.")


def _exceptions(source: Source, *, is_kept: bool) -> tuple[list[Finding], list[Edit]]:
    findings: list[Finding] = []
    edits: list[Edit] = []
    for node in source.nodes:
        if not isinstance(node, cst.Name | cst.Attribute):
            continue
        if source.qualified(node) not in _EXCEPTION or _is_in_import(source, node):
            continue
        if is_kept or isinstance(node, cst.Name):
            findings.append(
                _finding(
                    source,
                    node,
                    "ApiException of SDK 0.2",
                    "Errors of the API are `anthropic.APIStatusError` since SDK 0.3, and those of "
                    "the connection `anthropic.APIConnectionError`.",
                )
            )
            continue
        root = node.value
        while isinstance(root, cst.Attribute):
            root = root.value
        start, end = source.inner_span(node)
        edits.append(Edit(start, end, f"{source.code(root)}.APIStatusError"))
        found = _finding(source, node, "ApiException of SDK 0.2")
        findings.append(
            Finding(
                line=found.line,
                column=found.column,
                shape=found.shape,
                verdict=Verdict.REWRITTEN,
            )
        )
    return findings, edits


def _is_in_import(source: Source, node: cst.CSTNode) -> bool:
    return any(isinstance(each, cst.Import | cst.ImportFrom) for each in source.ancestors(node))


def constants(
    source: Source, edits: Iterable[Edit], by_hand: Iterable[tuple[int, int]]
) -> tuple[list[Finding], list[Edit]]:
    """Stop importing constants that nothing uses after these edits; list those still in use."""
    edits, by_hand = list(edits), list(by_hand)
    removed: list[Edit] = []
    findings: list[Finding] = []
    listed: set[int] = set()
    for node in source.nodes:
        if isinstance(node, cst.ImportFrom) and _is_of_anthropic(node):
            removed += _unused(source, node, edits)
    for node in source.nodes:
        if not isinstance(node, cst.Name | cst.Attribute) or _is_in_import(source, node):
            continue
        name = source.qualified(node) or ""
        constant = name.rpartition(".")[2]
        if not name.startswith("anthropic.") or constant not in MARKERS:
            continue
        span = source.span(node)
        line = source.line(node)
        if _is_covered(span, edits, by_hand) or line in listed:
            continue
        listed.add(line)
        if any(start <= span[0] <= end for start, end in _statements(source, by_hand)):
            continue
        findings.append(
            _finding(
                source,
                node,
                "a constant of the SDK",
                f"The newest SDKs have no {constant}; turns are messages now.",
            )
        )
    if removed:
        first = min(removed)
        findings.append(
            Finding(
                line=source.line_at(first.start),
                column=source.column_at(first.start),
                shape="an import of HUMAN_PROMPT or AI_PROMPT",
                verdict=Verdict.REWRITTEN,
                reasons=("Nothing uses it any more.",),
            )
        )
    return findings, removed


def retired_models(source: Source, target: Target, edits: list[Edit]) -> Iterator[Finding]:
    """List the names of retired models that stay: defaults, tables, options of commands."""
    for node in source.nodes:
        if not isinstance(node, cst.SimpleString):
            continue
        name = node.evaluated_value
        if not isinstance(name, str) or RETIRED_MODEL.fullmatch(name) is None:
            continue
        if not _is_covered(source.span(node), edits, []):
            yield _finding(
                source,
                node,
                "a model that is retired",
                f"{name} is retired; a call that gets it is refused.",
                code=f'"{target.model_for(name)}"',
            )


def words_left(source: Source, target: Target, edits: list[Edit]) -> Iterator[Finding]:
    """List addresses of the API and its parameter where nothing else is said of them."""
    for node in source.nodes:
        if isinstance(node, cst.Call) and _is_made_body(node):
            edits = [*edits, Edit(*source.span(node), "")]
            yield _finding(
                source, node, "the body of a legacy request", _ASK, code=example_body(target)
            )
        if not isinstance(node, cst.SimpleString | cst.FormattedString):
            continue
        start, end = source.span(node)
        if any(edit.start < end and start < edit.end for edit in edits):
            continue
        if _PATH.search(source.code(node)) and not _is_statement(source, node):
            reason = "The path of the Messages API is `/v1/messages`."
            yield _finding(source, node, "the path /v1/complete", reason, code=example_body(target))
        elif source.code(node).strip("\"'") == _PARAMETER and isinstance(
            source.parent(node), cst.DictElement | cst.Index
        ):
            yield _finding(
                source, node, "a parameter of a legacy request", _ASK, code=example_body(target)
            )


def _is_made_body(call: cst.Call) -> bool:
    """Return True for `dict(prompt=..., max_tokens_to_sample=...)`."""
    names = {arg.keyword.value for arg in call.args if arg.keyword}
    return called_name(call) == "dict" and {"prompt", _PARAMETER} <= names


def _is_statement(source: Source, node: cst.CSTNode) -> bool:
    """Return True for a text that is a statement of its own: it explains something."""
    around = next(
        each for each in source.ancestors(node) if not isinstance(each, cst.ConcatenatedString)
    )
    return isinstance(around, cst.Expr)


def _statements(source: Source, by_hand: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the functions that hold calls which are left alone, or else their lines."""
    found: list[tuple[int, int]] = []
    for node in source.nodes:
        if isinstance(node, cst.Call) and source.span(node) in by_hand:
            around = source.function(node)
            found.append((0, len(source.text)) if around is None else source.inner_span(around))
    return found


def _is_of_anthropic(node: cst.ImportFrom) -> bool:
    return node.module is not None and (dotted(node.module) or "").partition(".")[0] == "anthropic"


def _is_covered(span: tuple[int, int], edits: list[Edit], by_hand: list[tuple[int, int]]) -> bool:
    return any(edit.start <= span[0] and span[1] <= edit.end for edit in edits) or any(
        start <= span[0] and span[1] <= end for start, end in by_hand
    )


def _unused(source: Source, node: cst.ImportFrom, edits: list[Edit]) -> list[Edit]:
    """Return the edits that take the unused constants out of an import."""
    if isinstance(node.names, cst.ImportStar):
        return []
    names = list(node.names)
    dead = [each for each in names if _is_dead(source, each, edits)]
    if not dead:
        return []
    if len(dead) == len(names):
        return [_without_statement(source, node)]
    removed: list[Edit] = []
    for index, each in enumerate(names):
        if each not in dead:
            continue
        start, end = source.inner_span(each.name)[0], source.inner_span(each)[1]
        if index + 1 < len(names):
            after = names[index + 1]
            if after in dead and all(other in dead for other in names[index:]):
                continue  # taken out with the last one
            removed.append(Edit(start, source.inner_span(after.name)[0], ""))
        else:
            last = max(i for i, other in enumerate(names) if other not in dead)
            kept = names[last]
            kept_end = source.span(kept.asname.name if kept.asname else kept.name)[1]
            end = source.span(each.asname.name if each.asname else each.name)[1]
            removed.append(Edit(kept_end, end, ""))
    return removed


def _is_dead(source: Source, each: cst.ImportAlias, edits: list[Edit]) -> bool:
    if not isinstance(each.name, cst.Name) or each.name.value not in MARKERS:
        return False
    local = each.asname.name if each.asname else each.name
    assert isinstance(local, cst.Name)
    uses = source.references(local)
    if not uses and "noqa" in source.text[source.span(each)[1] :].partition("\n")[0]:
        return False  # is imported from here, perhaps
    if f'"{local.value}"' in source.text or f"'{local.value}'" in source.text:
        return False  # perhaps in `__all__`
    spans = [source.span(node) for node in uses]
    return all(_is_covered(span, edits, []) for span in spans)


def _without_statement(source: Source, node: cst.ImportFrom) -> Edit:
    start, end = source.inner_span(node)
    line = source.parent(node)
    block = source.parent(line) if line is not None else None
    is_alone = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
    body = getattr(block, "body", ())
    if not is_alone or (isinstance(block, cst.IndentedBlock) and len(body) == 1):
        return Edit(start, end, "pass")
    number = source.line_at(start)
    last = source.line_at(end)
    after = source.start_of_line(last + 1) if last < source.lines else len(source.text)
    return Edit(source.start_of_line(number), after, "")
