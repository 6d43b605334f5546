"""
Source in, the same source out, in which nothing goes to C unseen.

In functions, calls, operators, slices and what loops go through become calls:
`stop in echo` is `__work__(__operator__.contains, echo, stop)`. What happens
once, on import, is left as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final

WORK: Final = "__work__"
MADE: Final = "__made__"
EACH: Final = "__each__"
OPERATOR: Final = "__operator__"

_PACKAGES: Final = frozenset({"proxy", "translators"})
_OPERATORS: Final[Mapping[type[ast.AST], str]] = {
    ast.Add: "add",
    ast.Mult: "mul",
    ast.Mod: "mod",
    ast.BitOr: "or_",
    ast.BitAnd: "and_",
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
"""Those that texts and collections know, too."""


def rewritten(tree: ast.Module, prefix: str) -> ast.Module:
    """Rewrite a module, to be imported under its name with a prefix, like those it imports."""
    _Rewriting(prefix).visit(tree)
    return ast.fix_missing_locations(tree)


class _Rewriting(ast.NodeTransformer):
    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._depth = 0  # of functions in functions

    def visit(self, node: ast.AST) -> Any:
        if self._depth or isinstance(node, ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef):
            return super().visit(node)
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module and node.module.partition(".")[0] in _PACKAGES:
            node.module = self._prefix + node.module
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._depth += 1
        node.body = [self.visit(statement) for statement in node.body]
        self._depth -= 1
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.value = node.value and self.visit(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return node  # it looks for its caller
        return ast.Call(ast.Name(WORK, ast.Load()), [node.func, *node.args], node.keywords)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) > 1:
            return node  # whether a number is in a range
        [operator], [other] = node.ops, node.comparators
        if isinstance(operator, ast.In | ast.NotIn):
            found = _operation("contains", other, node.left)
            return found if isinstance(operator, ast.In) else ast.UnaryOp(ast.Not(), found)
        name = _OPERATORS.get(type(operator))
        return _operation(name, node.left, other) if name else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        name = _OPERATORS.get(type(node.op))
        return _operation(name, node.left, node.right) if name else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        name = _OPERATORS.get(type(node.op))
        before = self.visit(ast.parse(ast.unparse(node.target), mode="eval").body)
        self.generic_visit(node)
        if name is None:
            return node
        return ast.Assign([node.target], _operation(f"i{name.strip('_')}", before, node.value))

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        return _operation("getitem", *_place(node)) if isinstance(node.ctx, ast.Load) else node

    def visit_Delete(self, node: ast.Delete) -> ast.AST:
        self.generic_visit(node)
        match node.targets:
            case [ast.Subscript() as target]:
                return ast.Expr(_operation("delitem", *_place(target)))
            case _:
                return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        match node.targets:
            case [ast.Subscript() as target]:
                return ast.Expr(_operation("setitem", *_place(target), node.value))
            case _:
                return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                part.value = self.visit(part.value)
        return _call(MADE, node)

    def visit_List(self, node: ast.List) -> ast.AST:
        return self._display(node)

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        return self._display(node)

    def _display(self, node: ast.List | ast.Tuple) -> ast.AST:
        self.generic_visit(node)
        has_more = any(isinstance(item, ast.Starred) for item in node.elts)
        return _call(MADE, node) if has_more and isinstance(node.ctx, ast.Load) else node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = _call(EACH, node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if not node.is_async:
            node.iter = _call(EACH, node.iter)
        return node


def _call(name: str, *handed: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [*handed], [])


def _operation(name: str, *operands: ast.expr) -> ast.Call:
    operator = ast.Attribute(ast.Name(OPERATOR, ast.Load()), name, ast.Load())
    return _call(WORK, operator, *operands)


def _place(node: ast.Subscript) -> tuple[ast.expr, ast.expr]:
    """The container, and the index as a value."""
    index = node.slice
    if isinstance(index, ast.Slice):
        bounds = (index.lower, index.upper, index.step)
        index = _call("slice", *(bound or ast.Constant(None) for bound in bounds))
    return node.value, index
