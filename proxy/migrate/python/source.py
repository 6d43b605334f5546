"""The tree of a Python file, with the characters that each node covers, scopes and imports."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

import libcst as cst
from libcst.metadata import (
    Assignment,
    BaseAssignment,
    ByteSpanPositionProvider,
    GlobalScope,
    MetadataWrapper,
    ParentNodeProvider,
    Scope,
    ScopeProvider,
)

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class Source:
    """A parsed file; offsets are those of characters."""

    def __init__(self, text: str) -> None:
        """Parse a text; raises `cst.ParserSyntaxError`."""
        self.text = text
        wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        self.tree = wrapper.module
        self._spans = wrapper.resolve(ByteSpanPositionProvider)
        self._parents = wrapper.resolve(ParentNodeProvider)
        self._scopes = wrapper.resolve(ScopeProvider)
        self._line_starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
        self._offsets = None if text.isascii() else _character_offsets(text)
        self.nodes = tuple(_walk(self.tree))
        self.newline = self.tree.default_newline

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Return the characters of a node, with the parentheses around it."""
        start, end = self.inner_span(node)
        if isinstance(node, cst.BaseExpression) and node.lpar:
            return self._characters(node.lpar[0])[0], self._characters(node.rpar[-1])[1]
        return start, end

    def inner_span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Return the characters of a node, without the parentheses around it."""
        return self._characters(node)

    def code(self, node: cst.CSTNode) -> str:
        """Return a node as it is written, with the parentheses around it."""
        start, end = self.span(node)
        return self.text[start:end]

    def line(self, node: cst.CSTNode) -> int:
        """Return the number of the line in which a node begins, from 1."""
        return self.line_at(self.span(node)[0])

    def line_at(self, offset: int) -> int:
        """Return the number of the line of a character, from 1."""
        return bisect_right(self._line_starts, offset)

    def column_at(self, offset: int) -> int:
        """Return the number of a character in its line, from 1."""
        return offset - self._line_starts[self.line_at(offset) - 1] + 1

    def indentation_at(self, offset: int) -> str:
        """Return the white space at the start of the line of a character."""
        start = self._line_starts[self.line_at(offset) - 1]
        line = self.text[start:]
        return line[: len(line) - len(line.lstrip(" \t"))]

    @property
    def lines(self) -> int:
        """The number of lines; the one after the last line end counts."""
        return len(self._line_starts)

    def start_of_line(self, line: int) -> int:
        """Return the first character of a line, by its number from 1."""
        return self._line_starts[line - 1]

    def begins_line(self, offset: int) -> bool:
        """Return True if only white space precedes a character in its line."""
        start = self._line_starts[self.line_at(offset) - 1]
        return not self.text[start:offset].strip()

    def comment_in(self, start: int, end: int) -> cst.Comment | None:
        """Return the first comment between two characters."""
        comments = (node for node in self.nodes if isinstance(node, cst.Comment))
        return next((each for each in comments if start <= self.span(each)[0] < end), None)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """Return the node that a node is part of."""
        return self._parents.get(node)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield the nodes that a node is part of, the nearest first."""
        current = self._parents.get(node)
        while current is not None:
            yield current
            current = self._parents.get(current)

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """Return the statement that a node is part of: a line, or a compound statement."""
        kinds = cst.SimpleStatementLine | cst.BaseCompoundStatement
        around = (node, *self.ancestors(node))
        return next((each for each in around if isinstance(each, kinds)), self.tree)

    def function(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """Return the function that a node is in."""
        return next(
            (each for each in self.ancestors(node) if isinstance(each, cst.FunctionDef)), None
        )

    def scope(self, node: cst.CSTNode) -> Scope:
        """Return the scope of a node."""
        around = (self._scopes.get(each) for each in (node, *self.ancestors(node), self.tree))
        return next(scope for scope in around if scope is not None)

    def qualified(self, node: cst.CSTNode) -> str | None:
        """Return the name by which an import or a definition knows a node, if there is one."""
        parent = self.parent(node)
        if not isinstance(node, cst.Name | cst.Attribute | cst.Call):
            return None
        if isinstance(parent, cst.Attribute) and parent.attr is node:
            return None  # the name of an attribute, whatever else has that name
        if isinstance(parent, cst.Arg) and parent.keyword is node:
            return None
        names = {name.name for name in self.scope(node).get_qualified_names_for(node)}
        return names.pop() if len(names) == 1 else None

    def assignments(self, name: cst.Name) -> list[BaseAssignment]:
        """Return all assignments that a name may refer to."""
        return list(self.scope(name)[name.value])

    def is_public(self, name: cst.Name) -> bool:
        """Return True if a name is of the module, and not private: other files may import it."""
        of_module = any(isinstance(each.scope, GlobalScope) for each in self.assignments(name))
        return of_module and not name.value.startswith("_")

    def value_of(self, name: cst.Name) -> cst.BaseExpression | None:
        """
        Return the expression whose value a name has where it stands, or None if that is unsure.

        It is that of the only assignment `name = value`; of several, that of the one which always
        runs before, if no other can run between.
        """
        found = self.assignments(name)
        if len(found) == 1:
            return self.assigned_value(found[0])
        last = self._last_assignment(name, found)
        return None if last is None else self.assigned_value(last)

    def may_reach(self, name: cst.Name) -> list[BaseAssignment]:
        """Return the assignments whose value a name may have where it stands."""
        found = self.assignments(name)
        if len(found) > 1 and (last := self._last_assignment(name, found)) is not None:
            return [last]
        start, loops = self.span(name)[0], set(self._loops(name))
        return [
            each
            for each in found
            if not isinstance(each, Assignment)
            or self._owner(each.node) is not self._owner(name)
            or self._takes_effect(each) <= start
            or not loops.isdisjoint(self._loops(each.node))
        ]

    def _last_assignment(self, name: cst.Name, found: list[BaseAssignment]) -> Assignment | None:
        """Return the assignment that always runs before a name is read, and is the last to run."""
        owner, start = self._owner(name), self.span(name)[0]
        own = [each for each in found if isinstance(each, Assignment)]
        if isinstance(self.parent(name), cst.AssignTarget) or len(own) != len(found):
            return None
        if any(
            self._owner(each.node) is not owner or isinstance(self.parent(each.node), cst.NamedExpr)
            for each in own
        ):
            return None
        blocks = {id(each) for each in self.ancestors(name)}
        before = [
            each
            for each in own
            if isinstance(statement := self.statement(each.node), cst.SimpleStatementLine)
            and id(self.parent(statement)) in blocks
            and self.assigned_value(each) is not None
            and self._takes_effect(each) <= start
        ]
        if not before:
            return None
        last = max(before, key=self._takes_effect)
        loops = set(self._loops(name)) - set(self._loops(last.node))
        for each in own:
            position = self._takes_effect(each)
            if self._takes_effect(last) < position <= start:
                return None
            if position > start and not loops.isdisjoint(self._loops(each.node)):
                return None
        return last

    def _owner(self, node: cst.CSTNode) -> cst.CSTNode:
        """Return the function, class or file in whose run a node is evaluated."""
        kinds = cst.FunctionDef | cst.Lambda | cst.ClassDef
        return next((each for each in self.ancestors(node) if isinstance(each, kinds)), self.tree)

    def _loops(self, node: cst.CSTNode) -> list[int]:
        kinds = cst.For | cst.While
        return [id(each) for each in self.ancestors(node) if isinstance(each, kinds)]

    def _takes_effect(self, assignment: Assignment) -> int:
        """Return the character at which a name has the value of an assignment."""
        statement = self.statement(assignment.node)
        is_line = isinstance(statement, cst.SimpleStatementLine)
        return self.span(statement)[1] if is_line else self.span(assignment.node)[0]

    def assigned_value(self, assignment: BaseAssignment) -> cst.BaseExpression | None:
        """Return the expression of an assignment `name = value`, or None for any other."""
        if not isinstance(assignment, Assignment):
            return None
        target = self.parent(assignment.node)
        statement = self.parent(target) if isinstance(target, cst.AssignTarget) else target
        if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
            return statement.value
        if isinstance(statement, cst.AnnAssign) and statement.target is assignment.node:
            return statement.value
        return None

    def uses(self, name: cst.Name, value: cst.BaseExpression) -> list[cst.BaseExpression]:
        """Return the nodes that read a name which has a value, or may have it."""
        return [
            node
            for node in self.references(name)
            if not isinstance(node, cst.Name)
            or any(self.assigned_value(each) is value for each in self.may_reach(node))
        ]

    def references(self, name: cst.Name) -> list[cst.BaseExpression]:
        """Return all nodes by which the values that a name may refer to are used."""
        nodes = {access.node for found in self.assignments(name) for access in found.references}
        return sorted(nodes, key=lambda node: self.span(node)[0])

    def _characters(self, node: cst.CSTNode) -> tuple[int, int]:
        span = self._spans[node]
        start, end = span.start, span.start + span.length
        if self._offsets is None:
            return start, end
        return self._offsets[start], self._offsets[end]


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield a node and all nodes in it, in the order of the text."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += reversed(current.children)


def _character_offsets(text: str) -> dict[int, int]:
    offsets: dict[int, int] = {}
    position = 0
    for index, character in enumerate(text):
        offsets[position] = index
        position += len(character.encode("utf-8", "surrogatepass"))
    offsets[position] = len(text)
    return offsets


def called_name(call: cst.Call) -> str | None:
    """Return the last name of what is called: `create` of `a.b.create()`."""
    if isinstance(call.func, cst.Attribute):
        return call.func.attr.value
    return call.func.value if isinstance(call.func, cst.Name) else None


def dotted(node: cst.CSTNode) -> str | None:
    """Return a chain of names as it is read (`self.client`), or None for anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        before = dotted(node.value)
        return None if before is None else f"{before}.{node.attr.value}"
    return None


def keys_of(node: cst.Dict) -> set[str]:
    """Return the keys of a dictionary that are written as texts."""
    return {
        str(each.key.evaluated_value)
        for each in node.elements
        if isinstance(each, cst.DictElement) and isinstance(each.key, cst.SimpleString)
    }
