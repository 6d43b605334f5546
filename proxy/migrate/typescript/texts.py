"""
Read a text from an expression: literals, templates, sums, `concat` and `join`, names assigned once.

A hole's `form` is `string` if its value is certain to be one, so that it may stand alone; of any
other value the old prompt had what a template literal makes of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from proxy.migrate.outcomes import CannotRead
from proxy.migrate.text import MARKER_WORD, MARKERS, Hole, Text, holes_in, text_of
from proxy.migrate.typescript.literals import decoded, string_value, substitutions
from proxy.migrate.typescript.nodes import Node, unwrapped
from proxy.migrate.typescript.source import Source, default_of

STRING: Final = "string"
SDK: Final = "@anthropic-ai/sdk"
_DEEPEST: Final = 12
_STRING_METHODS: Final = frozenset(
    {"trim", "trimEnd", "trimStart", "toLowerCase", "toUpperCase", "toString", "join", "replace"}
    | {"replaceAll", "toFixed", "toISOString", "padStart", "padEnd", "repeat"}
)
_REPEATABLE: Final = frozenset({"identifier", "number", "string", "this", "property_identifier"})
_GIVEN: Final = frozenset(
    {"pair", "assignment_expression", "augmented_assignment_expression", "field_definition"}
    | {"public_field_definition"}
)
_ASKING: Final = re.compile(r"\.completions|/v1/complete\b")
_GROWING: Final = frozenset({"push", "unshift", "concat"})


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text, and the expression from which it was read."""

    text: Text
    node: Node
    """The expression itself, or the one that a name is assigned to."""
    name: Node | None = None
    """The name that was followed to `node`."""
    quote: str = '"'
    """The quote of its first string."""
    keeps_lines: bool = False
    """True if its line ends are written as they are."""


class TextReader:
    """Reads texts of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        quotes = [source.text[each.start] for each in source.nodes if each.kind == "string"]
        self.quote = "'" if quotes.count("'") > quotes.count('"') else '"'

    def read(self, node: Node) -> ReadText:
        """Read the text of an expression; raise `CannotRead` if markers may hide in it."""
        name, value = None, unwrapped(node)
        if value.kind in {"identifier", "shorthand_property_identifier"}:
            found = self._source.value_of(value)
            if found is not None and unwrapped(found).kind != "identifier":
                name, value = value, found
        text = self._read(value, 0)
        templates = [each for each in value.walk() if each.kind == "template_string"]
        keeps_lines = any("\n" in self._source.code(each) for each in templates)
        return ReadText(text, value, name, self.quote, keeps_lines)

    def is_string(self, node: Node) -> bool:
        """Return True if an expression is certain to be a string."""
        node = unwrapped(node)
        match node.kind:
            case "string" | "template_string":
                return True
            case "binary_expression":
                return self._is_sum(node)
            case "call_expression":
                function = node.named[0]
                if function.kind == "identifier":
                    return self._source.code(function) == "String"
                return (
                    function.kind == "member_expression"
                    and "?." not in self._source.code(function)
                    and self._source.code(function.named[-1]) in _STRING_METHODS
                )
            case "identifier" | "shorthand_property_identifier":
                return self._is_string_name(node)
            case _:
                return False

    def marker(self, node: Node) -> str | None:
        """Return the marker that one of the SDK's constants stands for, or None."""
        origin = self._source.origin(node)
        return MARKERS.get(origin[1]) if origin is not None and origin[0] == SDK else None

    def _is_sum(self, node: Node) -> bool:
        if self._source.code(node.children[1]) != "+":
            return False
        return any(self.is_string(each) or self.marker(each) for each in node.named)

    def _is_string_name(self, node: Node) -> bool:
        binding = self._source.binding(node)
        if binding is None:
            return False
        declaration = binding.node.parent
        annotation = declaration.child("type_annotation") if declaration is not None else None
        if annotation is not None and declaration is not None:
            is_string = self._source.code(annotation).lstrip(": ") == "string"
            return is_string and declaration.kind != "optional_parameter"
        value = self._source.value_of(node)
        if value is None or unwrapped(value).kind == "identifier":
            return False
        return self.is_string(value)

    def _read(self, node: Node, depth: int) -> Text:
        node = unwrapped(node)
        if depth > _DEEPEST:
            raise CannotRead("The prompt is put together in too many steps.")
        match node.kind:
            case "string":
                return text_of(string_value(self._source.text, node) or "")
            case "template_string":
                return self._template(node, depth)
            case "binary_expression" if self._is_sum(node):
                return text_of(
                    *(part for each in node.named for part in self._read(each, depth + 1))
                )
            case "call_expression":
                return self._call(node, depth)
            case _:
                return self._named(node, depth)

    def _template(self, node: Node, depth: int) -> Text:
        parts: list[str | Hole] = []
        position = node.start + 1
        for each in substitutions(node):
            parts.append(decoded(self._source.text[position : each.start]))
            parts += self._read(each.named[0], depth + 1)
            position = each.end
        return text_of(*parts, decoded(self._source.text[position : node.end - 1]))

    def _call(self, node: Node, depth: int) -> Text:
        """Read `text.concat(...)` and `[...].join("")`; any other call is a hole."""
        function, arguments = node.named[0], node.named[-1].named
        method = self._source.code(function.named[-1]) if function.named else ""
        if function.kind != "member_expression" or not MARKER_WORD.search(self._source.code(node)):
            return (self._hole(node),)
        receiver = unwrapped(function.named[0])
        if method == "concat" and (self.is_string(receiver) or self.marker(receiver)):
            pieces = [receiver, *arguments]
            separator: str | None = ""
        elif method == "join" and receiver.kind == "array" and len(arguments) == 1:
            pieces = receiver.named
            separator = string_value(self._source.text, arguments[0])
        else:
            return (self._hole(node),)
        if separator is None or any(each.kind == "spread_element" for each in pieces):
            raise CannotRead("The prompt is put together in a way that is not followed.")
        parts: list[str | Hole] = []
        for index, each in enumerate(pieces):
            text = self._read(each, depth + 1)
            if method == "join" and any(hole.form != STRING for hole in holes_in(text)):
                raise CannotRead(
                    f"`{_shortened(self._source.code(each))}` may be null or undefined, of which "
                    "`join` makes nothing."
                )
            parts += [separator if index else "", *text]
        return text_of(*parts)

    def _named(self, node: Node, depth: int) -> Text:
        if (marker := self.marker(node)) is not None:
            return (marker,)
        if node.kind == "member_expression":
            self._check_member(node)
        binding = self._source.binding(node)
        if binding is None or node.kind not in {"identifier", "shorthand_property_identifier"}:
            return (self._hole(node),)
        value = self._source.value_of(node)
        if value is None:
            return (self._hole(node),)
        return self._followed(node, value, depth)

    def _followed(self, name: Node, value: Node, depth: int) -> Text:
        """Read a name within a text by what it is assigned to: only markers are taken over."""
        written = self._source.code(name)
        try:
            text = self._read(value, depth + 1)
        except CannotRead:
            raise CannotRead(f"`{written}` holds markers, and is put together elsewhere.") from None
        said = "".join(part for part in text if isinstance(part, str))
        if not MARKER_WORD.search(said):
            is_known = all(hole.is_marker_free for hole in holes_in(text))
            return (self._hole(name, is_marker_free=is_known),)
        if holes_in(text):
            raise CannotRead(
                f"`{written}` holds markers and values; it was put together in line "
                f"{self._source.line(value)}."
            )
        return text

    def _check_pieces(self, node: Node) -> None:
        """Refuse an expression of names that get markers where they are declared or added to."""
        for name in node.walk():
            binding = self._source.binding(name)
            if binding is None or self._source.origin(name) is not None:
                continue
            pieces = [each.parent for each in binding.writes]
            if binding.kind == "loop":
                pieces += self._iterated(binding.node)
            elif binding.kind != "parameter":
                pieces.append(binding.node.parent)
            pieces += [
                each.parent.parent
                for each in binding.references
                if each.parent is not None
                and each.parent.kind == "member_expression"
                and self._source.code(each.parent.named[-1]) in _GROWING
            ]
            for piece in pieces:
                code = self._source.code(piece) if piece is not None else ""
                if _holds_markers(code):
                    raise CannotRead(
                        f"`{self._source.code(name)}` is put together from pieces with markers."
                    )

    def _iterated(self, name: Node) -> list[Node | None]:
        """Return what the loop of a name goes through: its body gives the name nothing."""
        loop = next(each for each in name.ancestors() if each.kind == "for_in_statement")
        return [loop.named[1], *map(self._source.value_of, loop.named[1].walk())]

    def _check_member(self, node: Node) -> None:
        """Refuse a property that somewhere in the file is given markers."""
        name = self._source.code(node.named[-1])
        for each in self._source.nodes:
            around = each.parent
            # The prompt of a legacy call is no property that something reads.
            is_call = around is not None and "max_tokens_to_sample" in self._source.code(around)
            if each.kind not in _GIVEN or (each.kind == "pair" and is_call):
                continue
            left, value = each.child("property_identifier") or each.named[0], each.named[-1]
            is_it = self._source.code(left).rpartition(".")[2].strip("\"'") == name
            if is_it and MARKER_WORD.search(self._source.code(value)):
                raise CannotRead(f"`{self._source.code(node)}` holds markers.")

    def _hole(self, node: Node, *, is_marker_free: bool = False) -> Hole:
        code = self._source.code(node)
        if _holds_markers(code):
            raise CannotRead(f"`{_shortened(code)}` decides which markers the prompt has.")
        self._check_pieces(node)
        is_number = node.kind == "number" or code.endswith(".length")
        form = STRING if self.is_string(node) else ""
        return Hole(
            code,
            form,
            is_marker_free or is_number,
            _is_repeatable(node),
            self._may_be_empty(node),
        )

    def _may_be_empty(self, node: Node) -> bool:
        """Return True for an empty string, one in place of what is missing, and names of such."""
        node = unwrapped(node)
        match node.kind:
            case "string" | "template_string":
                return string_value(self._source.text, node) == ""
            case "binary_expression":
                is_or = self._source.code(node.children[1]) in {"||", "??"}
                return is_or and self._may_be_empty(node.named[-1])
            case "ternary_expression":
                return any(map(self._may_be_empty, node.named[1:]))
            case "identifier":
                binding = self._source.binding(node)
                if binding is None or binding.writes:
                    return False
                value = default_of(binding) or self._source.value_of(node)
                return (
                    value is not None and value.kind != "identifier" and self._may_be_empty(value)
                )
            case _:
                return False


def _holds_markers(code: str) -> bool:
    """Return True for code with markers, unless it asks: an answer is not its prompt."""
    return MARKER_WORD.search(code) is not None and not _ASKING.search(code)


def _is_repeatable(node: Node) -> bool:
    if node.kind == "member_expression":
        return all(_is_repeatable(each) for each in node.named if each.kind != "optional_chain")
    return node.kind in _REPEATABLE


def _shortened(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= 60 else f"{line[:57]}..."  # noqa: PLR2004 - a line
