"""
Find what a program does with the space that an answer of the legacy API begins with.

Answers of the Messages API begin with their first word. Where a program glues the text to a label
(`` `Claude:${text}` ``), the space is put there; where it counts on it (`text.slice(1)`, `text ===
" Yes"`), the program must be changed by whoever knows what it is for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from proxy.migrate.findings import Edit
from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import Node, wrapped
from proxy.migrate.typescript.source import Source

_LABEL_END: Final = re.compile(r"[\w:;.,!?]\Z")
_ESCAPE_END: Final = re.compile(r"\\\w{1,8}\Z")
_SPACED_PATTERN: Final = re.compile(r"/\^?(?: |\\s)(?![*?])")
_BY_PLACE: Final = frozenset({"charAt", "at", "charCodeAt", "codePointAt"})
_PARTS: Final = frozenset({"slice", "substring", "substr"})
_SEARCHES: Final = frozenset(
    {"startsWith", "split", "indexOf", "search", "match", "replace", "replaceAll"}
)
_EQUALITY: Final = frozenset({"===", "==", "!==", "!="})
_LOOKUPS: Final = frozenset({"get", "has", "includes", "indexOf"})
_TESTS: Final = frozenset({"test", "exec"})
_FIRST_CHARACTERS: Final = 8
"""A part that ends before is one of the first word."""


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
        if place is not None and _is_label(source.text[:place]):
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
    is_spaced = _SPACED_PATTERN.match(source.code(receiver)) is not None
    return method in _LOOKUPS or (method in _TESTS and receiver.kind == "regex" and is_spaced)


def _method_counts(source: Source, method: str, arguments: list[Node]) -> bool:
    first = arguments[0] if arguments else None
    if method in _BY_PLACE:
        return first is None or first.kind == "number"
    if method in _PARTS and first is not None and first.kind == "number":
        last = source.code(arguments[-1])
        is_short = last.isdecimal() and int(last) < _FIRST_CHARACTERS
        return source.code(first) != "0" or (len(arguments) > 1 and is_short)
    if method not in _SEARCHES or first is None:
        return False
    if first.kind == "regex":
        return method != "replace" and _SPACED_PATTERN.match(source.code(first)) is not None
    # All spaces are taken out, the first one with them.
    is_taken_out = method == "replaceAll" and string_value(source.text, arguments[-1]) == ""
    return _begins_with_space(source, first) and not is_taken_out


def _begins_with_space(source: Source, node: Node) -> bool:
    return (string_value(source.text, node) or "").startswith(" ")


def _is_sum(source: Source, node: Node) -> bool:
    return node.kind == "binary_expression" and source.code(node.children[1]) == "+"


def _is_label(before: str) -> bool:
    """Return True if a literal's source ends with a word, and not with an escape."""
    return _LABEL_END.search(before) is not None and _ESCAPE_END.search(before[-12:]) is None
