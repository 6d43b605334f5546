"""Follow what a program does with an answer, and rewrite it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

import libcst as cst

from proxy.migrate.findings import Edit
from proxy.migrate.first_space import counts_on_it
from proxy.migrate.outcomes import CannotRewrite
from proxy.migrate.python.first_space import counts_on_space, spaces_after_labels
from proxy.migrate.python.source import Source, called_name

_PRINTS: Final = frozenset({"print", "pprint", "debug", "info", "warning", "error", "log"})
_UNCHANGED: Final = frozenset({"model", "id"})


@dataclass(slots=True)
class AnswerUse:
    """The edits that follow from the new form of an answer."""

    edits: list[Edit] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    keys: set[Hashable] = field(default_factory=set)
    """Names that hold answers of several calls, which are rewritten together or not at all."""
    is_json: bool = False
    """True if the answer is JSON data, and no object of an SDK."""
    may_be_error: bool = False
    """True if the answer's data may be those of an error, which has no text."""
    began_with_space: bool = True
    """True if the old text began with a space, which the new one does not."""


@dataclass(frozen=True, slots=True)
class StreamUse:
    """A stream that is read in one loop."""

    loop: cst.For
    assigned: cst.SimpleStatementLine | None
    """The statement that assigns the stream to a name, if there is one before the loop."""
    name: str
    edits: tuple[Edit, ...]
    """Those of the uses of the pieces."""


def outermost(source: Source, call: cst.BaseExpression) -> cst.BaseExpression:
    """Return the call with the `await` before it."""
    parent = source.parent(call)
    return parent if isinstance(parent, cst.Await) else call


def follow_answer(source: Source, call: cst.Call, *, began_with_space: bool = True) -> AnswerUse:
    """Follow the answer of a call; raise `CannotRewrite` if it goes where it cannot be seen."""
    use = AnswerUse(began_with_space=began_with_space)
    follow_data(source, call, use)
    return use


def follow_data(source: Source, call: cst.Call, use: AnswerUse) -> None:
    """Follow the value of a call, which is an answer, into `use`."""
    whole = outermost(source, call)
    parent = source.parent(whole)
    target = _target(source, parent)
    if isinstance(parent, cst.Expr):
        return
    if target is None:
        _follow_use(source, whole, use)
        return
    references = source.references(target)
    if _is_followed(source, references):
        for node in references:
            if isinstance(node, cst.Name) and source.value_of(node) is whole:
                _follow_use(source, node, use)
        return
    for assignment in source.assignments(target):
        value = source.assigned_value(assignment)
        if value is None or not _is_call_or_none(value):
            raise CannotRewrite(f"`{target.value}` is not only the answer of this call.")
    use.keys.add(("answer", id(source.scope(target)), target.value))
    for node in references:
        _follow_use(source, node, use)


def _is_followed(source: Source, references: list[cst.BaseExpression]) -> bool:
    """Return True if it is known of each use of a name which assignment it is of."""
    return all(
        isinstance(node, cst.Name) and source.value_of(node) is not None for node in references
    )


def calls_of_answer(source: Source, call: cst.Call) -> list[cst.BaseExpression]:
    """Return all that the name of this call's answer may be where it is used, but for None."""
    target = _target(source, source.parent(outermost(source, call)))
    if target is None or _is_followed(source, source.references(target)):
        return []
    values = [source.assigned_value(each) for each in source.assignments(target)]
    return [value for value in values if value is not None and not _is_none(value)]


def _target(source: Source, parent: cst.CSTNode | None) -> cst.Name | None:
    del source
    if isinstance(parent, cst.Assign) and len(parent.targets) == 1:
        target = parent.targets[0].target
        return target if isinstance(target, cst.Name) else None
    return None


def _is_none(value: cst.BaseExpression) -> bool:
    return isinstance(value, cst.Name) and value.value == "None"


def _is_call_or_none(value: cst.BaseExpression) -> bool:
    inner = value.expression if isinstance(value, cst.Await) else value
    return isinstance(inner, cst.Call) or _is_none(value)


def _follow_use(source: Source, node: cst.BaseExpression, use: AnswerUse) -> None:
    parent = source.parent(node)
    name: str | None = None
    if isinstance(parent, cst.Attribute) and parent.value is node:
        name = parent.attr.value
        if name == "get":
            name, parent = _gotten(source, parent)
    elif isinstance(parent, cst.Subscript) and parent.value is node:
        name = _subscript(parent)
    if use.is_json and isinstance(parent, cst.ComparisonTarget):
        _rewrite_question(source, node, parent, use)
    elif name is None or parent is None:
        _follow_whole(source, node, parent, use)
    else:
        _follow_field(source, node, parent, name, use)


def _follow_field(
    source: Source, node: cst.BaseExpression, parent: cst.CSTNode, name: str, use: AnswerUse
) -> None:
    if name == "completion":
        _rewrite_text(source, node, parent, use)
    elif name == "stop_reason":
        _rewrite_stop_reason(source, node, parent, use)
    elif name in _UNCHANGED or (name == "error" and use.is_json):
        if not isinstance(parent, cst.Attribute) and not use.is_json:
            use.edits.append(Edit(source.span(node)[1], source.span(parent)[1], f".{name}"))
    elif name == "stop":
        use.looks.append(
            f"`stop_sequence` of the answer (line {source.line(parent)}) is None where a turn just "
            'ends; `stop` was "\\n\\nHuman:" there.'
        )
        key = '["stop_sequence"]' if use.is_json else ".stop_sequence"
        use.edits.append(Edit(source.span(node)[1], source.inner_span(parent)[1], key))
    else:
        raise CannotRewrite(
            f"`{name}` of the answer is used in line {source.line(parent)}; a message has none."
        )


def _follow_whole(
    source: Source, node: cst.BaseExpression, parent: cst.CSTNode | None, use: AnswerUse
) -> None:
    line = source.line(node)
    call = source.parent(parent) if isinstance(parent, cst.Arg) else None
    if isinstance(call, cst.Call) and called_name(call) in _PRINTS:
        use.looks.append(f"The whole answer is printed in line {line}; a message looks different.")
        return
    if isinstance(parent, cst.FormattedStringExpression):
        use.looks.append(f"The whole answer is a text in line {line}; a message looks different.")
        return
    if _is_condition(source, node):
        return
    if isinstance(parent, cst.Comparison) and source.code(parent).endswith(" None"):
        return
    raise CannotRewrite(
        f"The whole answer is handed on in line {line}: what reads `.completion` of it must read "
        "the text of the content blocks."
    )


def _is_condition(source: Source, node: cst.CSTNode) -> bool:
    """Return True if only the truth of a value is asked."""
    parent = source.parent(node)
    if isinstance(parent, cst.If | cst.While | cst.IfExp | cst.Assert):
        return parent.test is node
    if isinstance(parent, cst.UnaryOperation):
        return isinstance(parent.operator, cst.Not)
    if isinstance(parent, cst.BooleanOperation):
        is_first = isinstance(parent.operator, cst.And) and parent.left is node
        return is_first or _is_condition(source, parent)
    return False


def _rewrite_question(
    source: Source, node: cst.BaseExpression, target: cst.ComparisonTarget, use: AnswerUse
) -> None:
    """Rewrite `"completion" in data`."""
    comparison = source.parent(target)
    assert isinstance(comparison, cst.Comparison)
    left = comparison.left
    name = left.evaluated_value if isinstance(left, cst.SimpleString) else None
    if not isinstance(target.operator, cst.In | cst.NotIn) or name not in {"completion", "error"}:
        _follow_whole(source, node, comparison, use)
    elif name == "completion":
        assert isinstance(left, cst.SimpleString)
        use.edits.append(Edit(*source.span(left), f"{left.quote}content{left.quote}"))


def _gotten(
    source: Source, attribute: cst.Attribute
) -> tuple[str | None, cst.BaseExpression | None]:
    """Return the key of `answer.get("key")`, and the call."""
    call = source.parent(attribute)
    if not isinstance(call, cst.Call) or not call.args:
        return None, None
    first = call.args[0].value
    if isinstance(first, cst.SimpleString):
        return str(first.evaluated_value), call
    return None, None


def _subscript(node: cst.Subscript) -> str | None:
    if len(node.slice) != 1 or not isinstance(node.slice[0].slice, cst.Index):
        return None
    key = node.slice[0].slice.value
    return str(key.evaluated_value) if isinstance(key, cst.SimpleString) else None


def quote_at(source: Source, node: cst.CSTNode) -> str:
    """Return a quote that ends none of the f-strings around a node."""
    around = {
        each.end[0] for each in source.ancestors(node) if isinstance(each, cst.FormattedString)
    }
    free = [quote for quote in ('"', "'") if quote not in around]
    if not free:
        raise CannotRewrite(
            f"The text is used in an f-string in an f-string (line {source.line(node)})."
        )
    return free[0]


def _rewrite_text(
    source: Source, node: cst.BaseExpression, whole: cst.CSTNode, use: AnswerUse
) -> None:
    """Rewrite `answer.completion`; `whole` is that expression, `node` the answer in it."""
    parent = source.parent(whole)
    if isinstance(parent, cst.AssignTarget | cst.Del | cst.AugAssign) and not (
        isinstance(parent, cst.AugAssign) and parent.value is whole
    ):
        raise CannotRewrite(f"The answer's text is changed in line {source.line(whole)}.")
    assert isinstance(whole, cst.BaseExpression)
    if use.began_with_space:
        _check_first_space(source, whole, use)
    quote = quote_at(source, whole)
    start, end = source.span(node)
    text, content, kind = "block.text", ".content", "block.type"
    if use.is_json:
        text, content, kind = (
            f"block[{quote}text{quote}]",
            f"[{quote}content{quote}]",
            f"block[{quote}type{quote}]",
        )
        if use.may_be_error and isinstance(whole, cst.Call):
            content = f".get({quote}content{quote}, [])"
            if not _defaults_to_nothing(whole):
                use.looks.append(
                    f"The text in line {source.line(whole)} is empty now if the answer is an error."
                )
    use.edits.append(Edit(start, start, f"{quote * 2}.join({text} for block in "))
    end_of_use = source.inner_span(whole)[1]
    use.edits.append(Edit(end, end_of_use, f"{content} if {kind} == {quote}text{quote})"))


def _check_first_space(source: Source, text: cst.BaseExpression, use: AnswerUse) -> None:
    for node in counts_on_space(source, text):
        raise CannotRewrite(counts_on_it(source.line(node)))
    use.edits += spaces_after_labels(source, text)


def _defaults_to_nothing(call: cst.Call) -> bool:
    """Return True for `.get("completion", "")`."""
    last = call.args[-1].value
    return isinstance(last, cst.SimpleString) and not last.evaluated_value


def _rewrite_stop_reason(
    source: Source, node: cst.BaseExpression, whole: cst.CSTNode, use: AnswerUse
) -> None:
    if not isinstance(whole, cst.Attribute) and not use.is_json:
        use.edits.append(Edit(source.span(node)[1], source.inner_span(whole)[1], ".stop_reason"))
    parent = source.parent(whole)
    if (
        isinstance(parent, cst.Comparison)
        and parent.left is whole
        and len(parent.comparisons) == 1
        and isinstance(parent.comparisons[0].comparator, cst.SimpleString)
        and isinstance(parent.comparisons[0].operator, cst.Equal | cst.NotEqual)
    ):
        target = parent.comparisons[0]
        value = target.comparator
        assert isinstance(value, cst.SimpleString)
        if value.evaluated_value == "max_tokens":
            return
        if value.evaluated_value == "stop_sequence":
            quote = value.quote[0]
            word = "in" if isinstance(target.operator, cst.Equal) else "not in"
            start = source.inner_span(target.operator)[0]
            names = f"({quote}end_turn{quote}, {quote}stop_sequence{quote})"
            use.edits.append(Edit(start, source.span(value)[1], f"{word} {names}"))
            return
    use.looks.append(
        f"`stop_reason` is used in line {source.line(whole)}: where a turn just ends it is "
        "`end_turn` now, and was `stop_sequence`."
    )


def follow_stream(source: Source, call: cst.Call) -> StreamUse:
    """Follow the stream of a call to the one loop that reads it, or raise `CannotRewrite`."""
    whole = outermost(source, call)
    parent = source.parent(whole)
    if isinstance(parent, cst.For) and parent.iter is whole:
        return StreamUse(parent, None, _free_name(source, parent), _pieces(source, parent))
    target = _target(source, parent)
    if target is None or parent is None:
        raise CannotRewrite("The stream is handed on; it must be read in a `with` statement.")
    statement = source.parent(parent)
    references = source.references(target)
    loop = source.parent(references[0]) if references else None
    if (
        len(references) != 1
        or len(source.assignments(target)) != 1
        or not isinstance(loop, cst.For)
        or loop.iter is not references[0]
        or not isinstance(statement, cst.SimpleStatementLine)
        or len(statement.body) != 1
        or not _is_in_later_sibling(source, statement, loop)
    ):
        raise CannotRewrite("The stream is not read in one loop behind the call.")
    return StreamUse(loop, statement, target.value, _pieces(source, loop))


def _is_in_later_sibling(source: Source, statement: cst.CSTNode, loop: cst.For) -> bool:
    block = source.parent(statement)
    return any(source.parent(each) is block for each in (loop, *source.ancestors(loop))) and (
        source.span(loop)[0] > source.span(statement)[0]
    )


def _free_name(source: Source, node: cst.CSTNode) -> str:
    scope = source.scope(node)
    for name in ("stream", "message_stream", "answer_stream"):
        if name not in scope:
            return name
    raise CannotRewrite("All names for the stream are taken.")


def _pieces(source: Source, loop: cst.For) -> tuple[Edit, ...]:
    """Return the edits that make each use of a piece's text the piece itself."""
    target = loop.target
    if not isinstance(target, cst.Name) or len(source.assignments(target)) != 1:
        raise CannotRewrite("The pieces of the stream are not read by a name of their own.")
    edits: list[Edit] = []
    for node in source.references(target):
        parent = source.parent(node)
        if not (
            isinstance(parent, cst.Attribute)
            and parent.value is node
            and parent.attr.value == "completion"
        ):
            raise CannotRewrite(
                f"More than the text of a piece of the stream is used in line {source.line(node)}."
            )
        edits.append(Edit(source.span(node)[1], source.inner_span(parent)[1], ""))
    return tuple(edits)
