"""Find uses of an answer in TypeScript that count on its first space, or follow a label at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.migrate.findings import Edit
from proxy.migrate.first_space import FIRST_CHARACTERS, SPACED_PATTERN, is_label
from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import Node, wrapped
from proxy.migrate.typescript.source import Source

_LONGEST_END: Final = 12
"""Characters of a literal's end that show whether it is a label."""
_BY_PLACE: Final = frozenset({"charAt", "at", "charCodeAt", "codePointAt"})
_PARTS: Final = frozenset({"slice", "substring", "substr"})
_SEARCHES: Final = frozenset(
    {"startsWith", "split", "indexOf", "search", "match", "replace", "replaceAll"}
)
_EQUALITY: Final = frozenset({"===", "==", "!==", "!="})
_LOOKUPS: Final = frozenset({"get", "has", "includes", "indexOf"})
_TESTS: Final = frozenset({"test", "exec"})


def counts_on_space(source: Source, text: Node) -> Iterator[Node]:
    """Yield what would be another with an answer's text that does not begin with a space."""
    for node in _uses(source, text):
        parent = wrapped(node).parent
        assert parent is not None
        if _counts(source, wrapped(node), parent):
            yield parent


def spaces_after_labels(source: Source, text: Node) -> Iterator[Edit]:
    """Yield the edits that put a space between labels and a text that follows them at once."""
    for node in _uses(source, text):
        parent = wrapped(node).parent
        assert parent is not None
        place = None
        if parent.kind == "template_substitution":
            place = parent.start
        elif _is_sum(source, parent) and parent.named[-1] is wrapped(node):
            left = parent.named[0]
            left = left.named[-1] if _is_sum(source, left) else left
            place = left.end - 1 if left.kind in {"string", "template_string"} else None
        if place is not None and is_label(source.text[max(0, place - _LONGEST_END) : place]):
            yield Edit(place, place, " ")


def _uses(source: Source, text: Node) -> Iterator[Node]:
    """Yield a text, and the name that it is assigned to where that is used."""
    yield text
    parent = wrapped(text).parent
    kinds = {"variable_declarator", "assignment_expression"}
    if parent is not None and parent.kind in kinds and parent.named[-1] is wrapped(text):
        yield from source.references(parent.named[0])


def _counts(source: Source, node: Node, parent: Node) -> bool:
    match parent.kind:
        case "member_expression":
            call = parent.parent
            if call is None or call.kind != "call_expression" or call.named[0] is not parent:
                return False
            return _method_counts(source, source.code(parent.named[-1]), call.named[-1].named)
        case "subscript_expression":
            return parent.named[0] is not node or parent.named[-1].kind == "number"
        case "binary_expression" if source.code(parent.children[1]) in _EQUALITY:
            return any(_begins_with_space(source, each) for each in parent.named)
        case "variable_declarator":
            return parent.named[0].kind == "array_pattern"
        case "switch_statement":
            return any(
                each.kind == "switch_case" and _begins_with_space(source, each.named[0])
                for each in parent.named[-1].named
            )
        case "arguments":
            assert parent.parent is not None
            return _is_looked_up(source, parent.parent.named[0])
        case _:
            return False


def _is_looked_up(source: Source, function: Node) -> bool:
    if function.kind != "member_expression":
        return False
    method, receiver = source.code(function.named[-1]), function.named[0]
    is_spaced = SPACED_PATTERN.match(source.code(receiver)[1:]) is not None
    return method in _LOOKUPS or (method in _TESTS and receiver.kind == "regex" and is_spaced)


def _method_counts(source: Source, method: str, arguments: list[Node]) -> bool:
    first = arguments[0] if arguments else None
    if method in _BY_PLACE:
        return first is None or first.kind == "number"
    if method in _PARTS and first is not None and first.kind == "number":
        last = source.code(arguments[-1])
        is_short = last.isdecimal() and int(last) < FIRST_CHARACTERS
        return source.code(first) != "0" or (len(arguments) > 1 and is_short)
    if method not in _SEARCHES or first is None:
        return False
    if first.kind == "regex":
        return method != "replace" and SPACED_PATTERN.match(source.code(first)[1:]) is not None
    # All spaces are taken out, the first one with them.
    is_taken_out = method == "replaceAll" and string_value(source.text, arguments[-1]) == ""
    return _begins_with_space(source, first) and not is_taken_out


def _begins_with_space(source: Source, node: Node) -> bool:
    return (string_value(source.text, node) or "").startswith(" ")


def _is_sum(source: Source, node: Node) -> bool:
    return node.kind == "binary_expression" and source.code(node.children[1]) == "+"
