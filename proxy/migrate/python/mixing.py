"""
Tell which names and functions of a file hold texts that have markers in them.

A hole must hold none, or turns would hide in it. Texts with markers are followed through names,
attributes, lists that they are appended to, and functions that return them. Answers are none of
them, whatever was asked.
"""

from __future__ import annotations

from typing import Final

import libcst as cst

from proxy.migrate.python.source import Source, called_name, dotted
from proxy.migrate.text import MARKER_WORD, MARKERS

_JOINING: Final = frozenset(
    {"join", "str", "dedent", "format", "list", "tuple", "reversed", "cleandoc", "sum"}
)
"""Calls whose value holds what their arguments hold."""
_GROWING: Final = frozenset({"append", "extend", "insert", "add", "write"})


class Mixing:
    """The names, attributes and functions of one file that hold texts with markers."""

    def __init__(self, source: Source) -> None:
        """Follow the markers of a file to all that they are put into."""
        self._source = source
        self._assigned: set[int] = set()
        """Nodes that a text with markers is assigned to."""
        self._attributes: set[str] = set()
        self._functions: set[str] = set()
        before = -1
        while self._known != before:
            before = self._known
            for node in source.nodes:
                self._learn(node)

    @property
    def _known(self) -> int:
        return len(self._assigned) + len(self._attributes) + len(self._functions)

    def holds_markers(self, node: cst.CSTNode) -> bool:
        """Return True if the value of an expression may have markers that this file puts there."""
        match node:
            case cst.SimpleString() | cst.FormattedStringText():
                return MARKER_WORD.search(node.value) is not None
            case cst.Name():
                return self._name_holds(node)
            case cst.Attribute():
                return node.attr.value in MARKERS or dotted(node) in self._attributes
            case cst.Call():
                return self._call_holds(node)
            case cst.Subscript():
                return self.holds_markers(node.value)
            case cst.IfExp():
                return self.holds_markers(node.body) or self.holds_markers(node.orelse)
            case cst.Comparison() | cst.Lambda():
                return False
            case _:
                return any(self.holds_markers(child) for child in node.children)

    def _name_holds(self, name: cst.Name) -> bool:
        if (self._source.qualified(name) or "").rpartition(".")[2] in MARKERS:
            return True
        assigned = [id(getattr(each, "node", each)) for each in self._source.assignments(name)]
        if self._assigned.isdisjoint(assigned):
            return False
        reaching = (getattr(each, "node", each) for each in self._source.may_reach(name))
        return any(id(each) in self._assigned for each in reaching)

    def _call_holds(self, call: cst.Call) -> bool:
        name = called_name(call)
        if name in self._functions:
            return True
        if isinstance(call.func, cst.Attribute) and self.holds_markers(call.func.value):
            return True
        return name in _JOINING and any(self.holds_markers(arg.value) for arg in call.args)

    def _learn(self, node: cst.CSTNode) -> None:
        match node:
            case cst.Assign():
                self._put(node.value, *(each.target for each in node.targets))
            case cst.AnnAssign() if node.value is not None:
                self._put(node.value, node.target)
            case cst.AugAssign() | cst.NamedExpr():
                self._put(node.value, node.target)
            case cst.For() | cst.CompFor():
                self._put(node.iter, node.target)
            case cst.Return() | cst.Yield():
                function = self._source.function(node)
                if (
                    function is not None
                    and isinstance(node.value, cst.BaseExpression)
                    and self.holds_markers(node.value)
                ):
                    self._functions.add(function.name.value)
            case cst.Call(func=cst.Attribute()) if called_name(node) in _GROWING:
                assert isinstance(node.func, cst.Attribute)
                for arg in node.args:
                    self._put(arg.value, node.func.value)
            case _:
                pass

    def _put(self, value: cst.BaseExpression, *targets: cst.CSTNode) -> None:
        if not self.holds_markers(value):
            return
        for target in targets:
            self._mark(target)

    def _mark(self, target: cst.CSTNode) -> None:
        match target:
            case cst.Name():
                # One that is read here (`parts` of `parts.append`) stands for all that it may be.
                self._assigned.add(id(target))
                self._assigned |= {
                    id(each.node)
                    for each in self._source.assignments(target)
                    if hasattr(each, "node")
                    and not isinstance(each.node, cst.FunctionDef)
                    and self._is_read(target)
                }
            case cst.Attribute():
                if (name := dotted(target)) is not None:
                    self._attributes.add(name)
            case cst.Subscript():
                self._mark(target.value)
            case cst.Tuple() | cst.List():
                for each in target.elements:
                    self._mark(each.value)
            case _:
                pass

    def _is_read(self, name: cst.Name) -> bool:
        parent = self._source.parent(name)
        return isinstance(parent, cst.Attribute | cst.Subscript)
