"""Find uses of an answer in Python that count on its first space, or follow a label at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import libcst as cst

from proxy.migrate.findings import Edit
from proxy.migrate.first_space import FIRST_CHARACTERS, SPACED_PATTERN, is_label
from proxy.migrate.python.source import Source, called_name

_MATCHES: Final = frozenset({"match", "fullmatch"})
_SEARCHES: Final = frozenset(
    {"startswith", "split", "rsplit", "partition", "find", "index", "count", "replace"}
)


def counts_on_space(source: Source, text: cst.BaseExpression) -> Iterator[cst.CSTNode]:
    """Yield what would be another with an answer's text that does not begin with a space."""
    for node in _uses(source, text):
        parent = source.parent(node)
        whole = source.parent(parent) if parent is not None else None
        match parent:
            case cst.Subscript() if parent.value is node:
                found = any(_is_at_start(each.slice) for each in parent.slice)
            case cst.Index():
                found, parent = True, source.parent(whole) if whole is not None else parent
            case cst.Comparison() | cst.ComparisonTarget():
                parent = whole if isinstance(parent, cst.ComparisonTarget) else parent
                assert parent is not None
                found = any(_begins_with_space(each) for each in _literals(parent))
            case cst.Attribute() if isinstance(whole, cst.Call) and whole.func is parent:
                found, parent = _searches_space(whole, parent.attr.value), whole
            case cst.Arg() if isinstance(whole, cst.Call) and called_name(whole) in _MATCHES:
                found, parent = any(_is_spaced(each.value) for each in whole.args), whole
            case _:
                found = False
        if found and parent is not None:
            yield parent


def spaces_after_labels(source: Source, text: cst.BaseExpression) -> Iterator[Edit]:
    """Yield the edits that put a space between labels and a text that follows them at once."""
    for node in _uses(source, text):
        parent = source.parent(node)
        place = None
        if isinstance(parent, cst.FormattedStringExpression) and parent.expression is node:
            whole = source.parent(parent)
            assert isinstance(whole, cst.FormattedString)
            place = _end_of_label(source, whole.parts[: whole.parts.index(parent)])
        elif (
            isinstance(parent, cst.BinaryOperation)
            and isinstance(parent.operator, cst.Add)
            and parent.right is node
        ):
            place = _end_of_text(source, parent.left)
        if place is not None:
            yield Edit(place, place, " ")


def _uses(source: Source, text: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """Yield a text, and the names that it is assigned to where they are used."""
    yield text
    parent = source.parent(text)
    if not isinstance(parent, cst.Assign):
        return
    targets = [each.target for each in parent.targets]
    for target in targets:
        if not isinstance(target, cst.Name):
            continue
        for node in source.references(target):
            reaching = source.may_reach(node) if isinstance(node, cst.Name) else []
            if any(getattr(each, "node", None) is target for each in reaching):
                yield node


def _is_at_start(index: cst.BaseSlice) -> bool:
    if isinstance(index, cst.Index):
        return isinstance(index.value, cst.Integer)
    assert isinstance(index, cst.Slice)
    lower, upper = index.lower, index.upper
    if isinstance(lower, cst.Integer) and lower.evaluated_value > 0:
        return True
    return (
        lower is None
        and isinstance(upper, cst.Integer)
        and upper.evaluated_value < FIRST_CHARACTERS
    )


def _searches_space(call: cst.Call, method: str) -> bool:
    if method not in _SEARCHES or not call.args or not _begins_with_space(call.args[0].value):
        return False
    if method != "replace":
        return True
    # All spaces are taken out, the first one with them.
    other = call.args[-1].value
    takes_out = isinstance(other, cst.SimpleString) and other.evaluated_value in {"", b""}
    return not takes_out


def _literals(node: cst.CSTNode) -> Iterator[cst.SimpleString]:
    if isinstance(node, cst.SimpleString):
        yield node
    elif not isinstance(node, cst.Call | cst.Attribute | cst.Subscript):
        for child in node.children:
            yield from _literals(child)


def _begins_with_space(node: cst.BaseExpression) -> bool:
    value = node.evaluated_value if isinstance(node, cst.SimpleString) else None
    return isinstance(value, str) and value.startswith(" ")


def _is_spaced(node: cst.BaseExpression) -> bool:
    value = node.evaluated_value if isinstance(node, cst.SimpleString) else None
    return isinstance(value, str) and SPACED_PATTERN.match(value) is not None


def _end_of_label(source: Source, parts: Sequence[cst.BaseFormattedStringContent]) -> int | None:
    last = parts[-1] if parts else None
    if not isinstance(last, cst.FormattedStringText) or not is_label(last.value):
        return None
    return source.inner_span(last)[1]


def _end_of_text(source: Source, node: cst.BaseExpression) -> int | None:
    """Return where the literal at the end of an expression ends, if it is a label."""
    match node:
        case cst.SimpleString() if is_label(node.raw_value):
            return source.inner_span(node)[1] - len(node.quote)
        case cst.FormattedString():
            return _end_of_label(source, node.parts)
        case cst.ConcatenatedString():
            return _end_of_text(source, node.right)
        case cst.BinaryOperation(operator=cst.Add()):
            return _end_of_text(source, node.right)
        case _:
            return None
