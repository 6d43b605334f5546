"""
Read a text from an expression: literals, f-strings, sums, formats, names assigned once.

A hole's `form` is how it is written: `+` for an operand of a sum, which is a string; otherwise the
quotes of its f-string, a line end, and what follows the expression in the braces.
"""

from __future__ import annotations

import ast
import re
import string
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import libcst as cst
from libcst.metadata import BuiltinAssignment

from proxy.migrate.outcomes import CannotRead
from proxy.migrate.python.mixing import Mixing
from proxy.migrate.python.source import Source, dotted
from proxy.migrate.text import MARKER_WORD, MARKERS, Hole, Text, holes_in, text_of

SUM: Final = "+"
_PERCENT: Final = re.compile(r"(?<!%)%s")
_DEEPEST: Final = 12
_STRING_CALLS: Final = frozenset({"str", "input", "repr", "ascii", "chr", "hex"})
_STRING_METHODS: Final = frozenset(
    {"strip", "lstrip", "rstrip", "lower", "upper", "title", "replace", "join", "format"}
    | {"capitalize", "removeprefix", "removesuffix"}
)
"""Methods by which a string, though not any other value of that name, becomes one."""
_ALWAYS_STRINGS: Final = frozenset({"read_text", "isoformat", "hexdigest"})


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text, and the expression from which it was read."""

    text: Text
    node: cst.BaseExpression
    """The expression itself, or the one that a name is assigned to."""
    name: cst.Name | None = None
    """The name that was followed to `node`."""
    quotes: str = '"'
    """The quotes of its first literal."""
    followed: frozenset[str] = field(default=frozenset())


class TextReader:
    """Reads texts of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @cached_property
    def _mixing(self) -> Mixing:
        return Mixing(self._source)

    def read(self, node: cst.BaseExpression) -> ReadText:
        """Read the text of an expression; raise `CannotRead` if markers may hide in it."""
        name = None
        if isinstance(node, cst.Name):
            value = self._source.value_of(node)
            if value is not None and not isinstance(value, cst.Name):
                name, node = node, value
        return ReadText(self._read(node, 0), node, name, self._quotes(node))

    def literal(self, node: cst.BaseExpression) -> str | None:
        """Return the value of an expression that is a text without holes, or None."""
        try:
            text = self._read(node, 0)
        except CannotRead:
            return None
        if holes_in(text):
            return None
        return "".join(part for part in text if isinstance(part, str))

    def _read(self, node: cst.BaseExpression, depth: int) -> Text:
        if depth > _DEEPEST:
            raise CannotRead("The prompt is put together in too many steps.")
        match node:
            case cst.SimpleString():
                value = node.evaluated_value
                if isinstance(value, bytes):
                    raise CannotRead("The prompt is bytes.")
                return text_of(value)
            case cst.ConcatenatedString():
                return text_of(
                    *self._read(node.left, depth + 1), *self._read(node.right, depth + 1)
                )
            case cst.FormattedString():
                return self._formatted(node, depth)
            case cst.BinaryOperation(operator=cst.Modulo()):
                return self._percent(node, depth)
            case cst.BinaryOperation(operator=cst.Add()):
                return text_of(
                    *self._read(node.left, depth + 1), *self._read(node.right, depth + 1)
                )
            case cst.Call():
                return self._call(node, depth)
            case _:
                return self._named(node, depth)

    def _named(self, node: cst.BaseExpression, depth: int) -> Text:
        if (marker := self.marker(node)) is not None:
            return (marker,)
        if isinstance(node, cst.Name):
            value = self._source.value_of(node)
            if value is not None and value is not node:
                return self._followed(node, value, depth)
        return (self._hole(node, SUM),)

    def _followed(self, name: cst.Name, value: cst.BaseExpression, depth: int) -> Text:
        """Read a name within a text by what it is assigned to: only markers are taken over."""
        try:
            text = self._read(value, depth + 1)
        except CannotRead:
            if not self._mixing.holds_markers(value):
                return (self._hole(name, SUM),)
            raise CannotRead(
                f"`{name.value}` holds markers, and is put together elsewhere."
            ) from None
        written = "".join(part for part in text if isinstance(part, str))
        if not MARKER_WORD.search(written):
            is_known = all(hole.is_marker_free for hole in holes_in(text))
            return (self._hole(name, SUM, is_marker_free=is_known),)
        if holes_in(text):
            raise CannotRead(
                f"`{name.value}` holds markers and values; it was put together in line "
                f"{self._source.line(value)}."
            )
        return text

    def marker(self, node: cst.BaseExpression) -> str | None:
        """Return the marker that one of the SDK's constants stands for, or None."""
        name = self._source.qualified(node)
        if name is not None and name.startswith("anthropic."):
            return MARKERS.get(name.rpartition(".")[2])
        if isinstance(node, cst.Attribute) and node.attr.value in MARKERS:
            made = self._source.value_of(node.value) if isinstance(node.value, cst.Name) else None
            if isinstance(made, cst.Call):
                maker = self._source.qualified(made.func) or ""
                return MARKERS[node.attr.value] if maker.startswith("anthropic.") else None
        return None

    def _formatted(self, node: cst.FormattedString, depth: int) -> Text:
        parts: list[str | Hole] = []
        for part in node.parts:
            if isinstance(part, cst.FormattedStringText):
                parts.append(_evaluated(part.value, node))
            else:
                assert isinstance(part, cst.FormattedStringExpression)
                parts += self._field(part, node, depth)
        return text_of(*parts)

    def _field(
        self, part: cst.FormattedStringExpression, node: cst.FormattedString, depth: int
    ) -> Text:
        start, end = self._source.inner_span(part)
        expression_end = self._source.span(part.expression)[1]
        if part.equal is not None:
            raise CannotRead("The prompt has a field with `=`, which repeats its source.")
        rest = self._source.text[expression_end : end - 1].strip()
        if not rest:
            text = self._read(part.expression, depth + 1) if _may_be_text(part.expression) else ()
            if text and not (len(text) == 1 and isinstance(text[0], Hole)):
                return text
            is_free = bool(text) and isinstance(text[0], Hole) and text[0].is_marker_free
        else:
            is_free = bool(re.fullmatch(r":[^{]*[dfgeEn%xXob]", rest))
        assert start < end
        hole = self._hole(
            part.expression, f"{node.end}\n{rest}", is_marker_free=is_free, is_field=True
        )
        return (hole,)

    def _call(self, node: cst.Call, depth: int) -> Text:
        if isinstance(node.func, cst.Attribute) and node.func.attr.value == "format":
            template = self.literal(node.func.value)
            if template is not None and MARKER_WORD.search(template + self._source.code(node)):
                return self._format(template, node, depth)
        return (self._hole(node, SUM),)

    def _percent(self, node: cst.BinaryOperation, depth: int) -> Text:
        """Read `"...%s..." % value`, if all fields are `%s`."""
        template = self.literal(node.left)
        right = node.right
        if template is None or not MARKER_WORD.search(template + self._source.code(right)):
            return (self._hole(node, SUM),)
        values = (
            [each.value for each in right.elements] if isinstance(right, cst.Tuple) else [right]
        )
        pieces = _PERCENT.split(template)
        if "%" in "".join(pieces).replace("%%", "") or len(pieces) != len(values) + 1:
            raise CannotRead("The prompt is formatted in a way that is not followed.")
        parts: list[str | Hole] = []
        for piece, value in zip(pieces, [*values, None], strict=True):
            parts.append(piece.replace("%%", "%"))
            if value is not None:
                parts += self._filled(value, depth)
        return text_of(*parts)

    def _filled(self, value: cst.BaseExpression, depth: int) -> Text:
        """Read what is put into a template: its text is that of `str()`."""
        is_text = _may_be_text(value) or self.is_string(value)
        text = self._read(value, depth + 1) if is_text else (self._hole(value, SUM),)
        if not (len(text) == 1 and isinstance(text[0], Hole)):
            return text
        code = self._source.code(value)
        quotes = next((each for each in ('"', "'") if each not in code), None)
        if quotes is None or "\\" in code or "\n" in code:
            raise CannotRead("The prompt is formatted in a way that is not followed.")
        free = text[0].is_marker_free
        return (self._hole(value, f"{quotes}\n", is_marker_free=free, is_field=True),)

    def _format(self, template: str, call: cst.Call, depth: int) -> Text:
        """Read `"...{x}...".format(x=value)`, if no field has a format of its own."""
        named = {arg.keyword.value: arg.value for arg in call.args if arg.keyword}
        listed = [arg.value for arg in call.args if not arg.keyword and not arg.star]
        if any(arg.star for arg in call.args):
            raise CannotRead("The prompt is formatted with arguments that are not in sight.")
        parts: list[str | Hole] = []
        used: list[str] = []
        try:
            pieces = list(string.Formatter().parse(template))
        except ValueError as exc:
            raise CannotRead(f"The prompt cannot be formatted: {exc}.") from exc
        for literal, name, spec, conversion in pieces:
            parts.append(literal)
            if name is None:
                continue
            key = name or str(len([each for each in used if each.isdigit()]))
            used.append(key)
            value = named.get(key) or (
                listed[int(key)] if key.isdigit() and int(key) < len(listed) else None
            )
            if value is None or spec or conversion:
                raise CannotRead("The prompt is formatted in a way that is not followed.")
            parts += self._filled(value, depth)
        order = [self._source.span(named.get(key) or listed[int(key)])[0] for key in used]
        calls = [arg for arg in call.args if not _is_repeatable(arg.value)]
        if calls and (order != sorted(order) or len(set(order)) != len(call.args)):
            raise CannotRead("The prompt is formatted with calls, in another order.")
        return text_of(*parts)

    def _hole(
        self,
        node: cst.BaseExpression,
        form: str,
        *,
        is_marker_free: bool = False,
        is_field: bool = False,
    ) -> Hole:
        code = self._source.code(node)
        if MARKER_WORD.search(code):
            raise CannotRead(f"`{_shortened(code)}` decides which markers the prompt has.")
        if self._mixing.holds_markers(node):
            raise CannotRead(f"`{_shortened(code)}` is put together from pieces with markers.")
        if is_field and self.is_string(node) and form.endswith("\n"):
            # The value needs no conversion, so that it may stand alone.
            form = f"{form}\n"
        is_number = isinstance(node, cst.Integer | cst.Float)
        return Hole(
            code,
            form,
            is_marker_free or is_number,
            _is_repeatable(node),
            self._may_be_empty(node),
        )

    def _may_be_empty(self, node: cst.BaseExpression) -> bool:
        """Return True for an empty string, one in place of what is missing, and names of such."""
        match node:
            case cst.SimpleString():
                return not node.raw_value.strip()
            case cst.BooleanOperation(operator=cst.Or()):
                return self._may_be_empty(node.right)
            case cst.IfExp():
                return self._may_be_empty(node.body) or self._may_be_empty(node.orelse)
            case cst.Call(func=cst.Attribute(attr=cst.Name(value="get" | "getenv"))):
                return len(node.args) > 1 and self._may_be_empty(node.args[1].value)
            case cst.Name():
                value = self._source.value_of(node) or self._default_of(node)
                if value is None or isinstance(value, cst.Name):
                    return False
                return self._may_be_empty(value)
            case _:
                return False

    def _default_of(self, name: cst.Name) -> cst.BaseExpression | None:
        found = self._source.assignments(name)
        node = getattr(found[0], "node", None) if len(found) == 1 else None
        return node.default if isinstance(node, cst.Param) else None

    def is_string(self, node: cst.BaseExpression) -> bool:
        """Return True if an expression is certain to be a string."""
        match node:
            case cst.SimpleString() | cst.FormattedString() | cst.ConcatenatedString():
                return not (isinstance(node, cst.SimpleString) and "b" in node.prefix.lower())
            case cst.Call(func=cst.Name(value=name)):
                return name in _STRING_CALLS and self._is_builtin(node.func)
            case cst.Call(func=cst.Attribute(value=receiver, attr=cst.Name(value=name))):
                return name in _ALWAYS_STRINGS or (
                    name in _STRING_METHODS and self.is_string(receiver)
                )
            case cst.BinaryOperation(operator=cst.Add()):
                return self.is_string(node.left) or self.is_string(node.right)
            case cst.Name():
                return self._is_string_name(node)
            case _:
                return False

    def _is_string_name(self, name: cst.Name) -> bool:
        if (value := self._source.value_of(name)) is not None:
            return not isinstance(value, cst.Name) and self.is_string(value)
        found = self._source.assignments(name)
        if len(found) != 1:
            return False
        node = getattr(found[0], "node", None)
        if not isinstance(node, cst.Param) or node.annotation is None:
            return False
        if node.default is not None and not self.is_string(node.default):
            return False
        return self._source.code(node.annotation.annotation).strip("\"'") == "str"

    def _is_builtin(self, name: cst.BaseExpression) -> bool:
        found = self._source.assignments(name) if isinstance(name, cst.Name) else []
        return all(isinstance(each, BuiltinAssignment) for each in found)

    def _quotes(self, node: cst.BaseExpression) -> str:
        found = _strings_in(node)
        if not found:
            return '"'
        return found[0].end if isinstance(found[0], cst.FormattedString) else found[0].quote


def without_markers(template: str, before: Text, after: Text) -> str | None:
    """Return a template without what a text loses at its ends; None if it loses something else."""
    if len(before) == 1 or not isinstance(before[0], str) or not isinstance(before[-1], str):
        return None
    first = after[0] if isinstance(after[0], str) else ""
    last = after[-1] if isinstance(after[-1], str) else ""
    lost = before[0].removesuffix(first), before[-1].removeprefix(last)
    is_same = text_of(lost[0], *after, lost[1]) == before
    is_plain = template.startswith(lost[0]) and template.endswith(lost[1])
    if not is_same or not is_plain or {"{", "}"} & {*lost[0], *lost[1]}:
        return None
    return template[len(lost[0]) : len(template) - len(lost[1])]


def _strings_in(node: cst.CSTNode) -> list[cst.SimpleString | cst.FormattedString]:
    if isinstance(node, cst.SimpleString | cst.FormattedString):
        return [node]
    return [found for child in node.children for found in _strings_in(child)]


def _may_be_text(node: cst.BaseExpression) -> bool:
    kinds = (
        cst.Name | cst.Attribute | cst.SimpleString | cst.FormattedString | cst.ConcatenatedString
    )
    return isinstance(node, kinds)


def _is_repeatable(node: cst.BaseExpression) -> bool:
    return dotted(node) is not None or isinstance(node, cst.Integer | cst.Float | cst.SimpleString)


def _evaluated(raw: str, node: cst.FormattedString) -> str:
    prefix = node.prefix.lower().replace("f", "").replace("u", "")
    text = raw.replace("{{", "{").replace("}}", "}")
    # Quotes at the end of a piece, before a field, would end the literal.
    body = text.rstrip(node.end[0])
    quotes = text[len(body) :]
    if quotes and "r" not in prefix and (len(body) - len(body.rstrip("\\"))) % 2:
        body, quotes = body + quotes[0], quotes[1:]
    # A backslash before a field is one, in a literal of any kind.
    bare = body.rstrip("\\")
    if not quotes and (len(body) - len(bare)) % 2:
        body, quotes = body[:-1], "\\"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a backslash before any letter
            value = ast.literal_eval(f"{prefix}{node.end}{body}{node.end}")
    except (SyntaxError, ValueError) as exc:
        raise CannotRead("The text has an escape that cannot be read.") from exc
    assert isinstance(value, str)
    return value + quotes


def _shortened(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= 60 else f"{line[:57]}..."  # noqa: PLR2004 - a line
