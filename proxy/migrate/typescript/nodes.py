"""
The syntax tree of a JavaScript or TypeScript file, as plain nodes.

ast-grep parses; its tree is copied once, because each question to it crosses into another language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ast_grep_py import SgNode, SgRoot

FUNCTIONS = frozenset(
    {"function_declaration", "function_expression", "arrow_function", "method_definition"}
    | {"generator_function", "generator_function_declaration"}
)
_WRAPPERS = frozenset(
    {"parenthesized_expression", "as_expression", "satisfies_expression", "non_null_expression"}
)


@dataclass(slots=True, eq=False)
class Node:
    """A node of the tree; `start` and `end` are characters of the text."""

    kind: str
    start: int
    end: int
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    is_named: bool = True

    @property
    def named(self) -> list[Node]:
        """Children that are more than a keyword, a bracket or a comment."""
        return [each for each in self.children if each.is_named and each.kind != "comment"]

    @property
    def span(self) -> tuple[int, int]:
        """The characters of the node."""
        return self.start, self.end

    def child(self, *kinds: str) -> Node | None:
        """Return the first child of a kind, or None."""
        return next((each for each in self.children if each.kind in kinds), None)

    def walk(self) -> Iterator[Node]:
        """Yield the node and all nodes in it, in the order of the text."""
        waiting = [self]
        while waiting:
            current = waiting.pop()
            yield current
            waiting += reversed(current.children)

    def ancestors(self) -> Iterator[Node]:
        """Yield the nodes that this one is part of, the nearest first."""
        current = self.parent
        while current is not None:
            yield current
            current = current.parent


def parse(text: str, grammar: str) -> Node:
    """Parse a text; what cannot be parsed has nodes of the kind `ERROR`, or empty ones."""
    found = SgRoot(text, grammar).root()
    root = _copied(found, None)
    waiting = [(found, root)]
    while waiting:
        original, copy = waiting.pop()
        for child in original.children():
            inner = _copied(child, copy)
            copy.children.append(inner)
            waiting.append((child, inner))
    return root


def _copied(node: SgNode, parent: Node | None) -> Node:
    span = node.range()
    return Node(node.kind(), span.start.index, span.end.index, parent, is_named=node.is_named())


def first_error(root: Node) -> Node | None:
    """Return the first node that says that a text cannot be parsed."""
    for node in root.walk():
        is_missing = node.start == node.end and not node.children and node is not root
        if node.kind == "ERROR" or (is_missing and node.kind != "jsx_text"):
            return node
    return None


def unwrapped(node: Node) -> Node:
    """Return an expression without parentheses, casts and assertions around it."""
    while node.kind in _WRAPPERS:
        node = node.named[0]
    return node


def wrapped(node: Node) -> Node:
    """Return an expression with the parentheses and assertions around it."""
    while node.parent is not None and node.parent.kind in {
        "parenthesized_expression",
        "non_null_expression",
    }:
        node = node.parent
    return node
