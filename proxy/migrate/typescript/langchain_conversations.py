"""How conversations are put together for LangChain's objects, and what of it is refused today."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from proxy.migrate.findings import Edit
from proxy.migrate.outcomes import CannotRewrite
from proxy.migrate.text import MARKERS
from proxy.migrate.typescript.literals import decoded, string_value, substitutions
from proxy.migrate.typescript.nodes import Node, unwrapped
from proxy.migrate.typescript.sites import arguments_of
from proxy.migrate.typescript.source import Source

_MARKER: Final = re.compile(r"(?:\A\n?|\n\n)(?:Human|Assistant):")
"""Is in a piece of a text that the old class took for a marker, or may have."""
_ROLES: Final = {
    "SystemMessage": "system",
    "SystemChatMessage": "system",
    "SystemMessagePromptTemplate": "system",
    "system": "system",
    "AIMessage": "ai",
    "AIChatMessage": "ai",
    "AIMessagePromptTemplate": "ai",
    "ai": "ai",
    "assistant": "ai",
}
LISTING: Final = frozenset(
    {"call", "predictMessages", "invoke", "stream", "fromMessages", "fromPromptMessages"}
)
"""Methods that are given lists of messages."""


def conversation_edits(source: Source, apart: Iterable[Node]) -> list[Edit]:
    """
    Return the edits of how a file puts conversations together, but for what is in nodes `apart`.

    Raise `CannotRewrite` where the newest class, or a model of today, refuses one.
    """
    edits: list[Edit] = []
    spans = [each.span for each in apart]
    for node in source.nodes:
        if _has_marker(source, node) and not any(
            start <= node.start and node.end <= end for start, end in spans
        ):
            raise CannotRewrite(
                f"What is said in line {source.line(node)} has markers of its own, which are words "
                "like others in messages."
            )
        if node.kind != "call_expression" or node.named[0].kind != "member_expression":
            continue
        method = node.named[0].named[-1]
        name = source.code(method)
        if name == "fromPromptMessages":
            edits.append(Edit(*method.span, "fromMessages"))
        given = arguments_of(node)
        if _is_gone(name, given):
            raise CannotRewrite(
                f"`{name}` is called in line {source.line(node)}, which objects of the newest "
                "packages do not have."
            )
        if name in LISTING and given:
            _check_conversation(source, given[0])
    return edits


def _is_gone(name: str, given: list[Node]) -> bool:
    """Return True for a call of what objects of LangChain had, and those of others have not."""
    if name == "bind":
        return bool(given) and unwrapped(given[0]).kind == "object"
    return name == "toChunk" or (name == "map" and not given)


def _has_marker(source: Source, node: Node) -> bool:
    """Return True for a literal with a marker in it, and for a name of one."""
    if node.kind in {"identifier", "property_identifier"}:
        is_import = node.parent is not None and node.parent.kind == "import_specifier"
        return source.code(node) in MARKERS and not is_import
    if node.kind not in {"string", "template_string"}:
        return False
    ends = [node.start + 1]
    for each in substitutions(node):
        ends += each.span
    ends.append(node.end - 1)
    pieces = zip(ends[::2], ends[1::2], strict=True)
    return any(_MARKER.search(decoded(source.text[start:end])) for start, end in pieces)


def _check_conversation(source: Source, node: Node) -> None:
    value = unwrapped(node)
    if value.kind == "identifier" and len(source.references(value)) == 1:
        value = unwrapped(source.value_of(value) or value)
    if value.kind != "array":
        return
    roles = [_role(source, each) for each in value.named]
    line = source.line(value)
    if "system" in roles[1:]:
        raise CannotRewrite(
            f"The conversation in line {line} has a system message that is not the first: put all "
            "instructions there."
        )
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not turns or "ai" in {turns[0], turns[-1]}:
        raise CannotRewrite(
            f"The conversation in line {line} has to begin and to end with what a human says: "
            "models of today refuse others."
        )


def _role(source: Source, node: Node) -> str:
    """Return the role of an element of a list of messages, as far as it matters."""
    node = unwrapped(node)
    if node.kind == "identifier":
        node = unwrapped(source.value_of(node) or node)
    name = ""
    if node.kind == "new_expression":
        name = source.code(node.named[0])
    elif node.kind == "call_expression" and node.named[0].kind == "member_expression":
        name = source.code(node.named[0].named[0])
    elif node.kind == "array" and node.named:
        name = string_value(source.text, node.named[0]) or ""
    return _ROLES.get(name, "")
