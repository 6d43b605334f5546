"""A file's text, tree and names: what is declared, where it is used, what it was imported from."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import FUNCTIONS, Node, unwrapped

_SCOPES: Final = FUNCTIONS | {
    *("program", "statement_block", "for_statement", "for_in_statement", "catch_clause"),
    *("class_body", "switch_body"),
}
_NAMES: Final = frozenset(
    {"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"}
    | {"type_identifier"}
)
_STATEMENTS: Final = frozenset({"expression_statement", "lexical_declaration", "import_statement"})
_PARAMETERS: Final = frozenset({"required_parameter", "optional_parameter"})
_DECLARED_NAMES: Final = frozenset(
    {"function_declaration", "generator_function_declaration", "class_declaration"}
    | {"abstract_class_declaration", "enum_declaration", "interface_declaration"}
    | {"type_alias_declaration"}
)


@dataclass(slots=True, eq=False)
class Binding:
    """A name that is declared in a scope."""

    node: Node
    kind: str
    """`const`, `let`, `var`, `parameter`, `import`, or `other`."""
    value: Node | None = None
    """The expression of `name = value` in its declaration."""
    imported: tuple[str, str] | None = None
    """The module and the name in it; `*` for the whole module."""
    taken: tuple[Node, str] | None = None
    """The expression that it is taken out of by a pattern, and the name there."""
    references: list[Node] = field(default_factory=list)
    writes: list[Node] = field(default_factory=list)
    """Where it is assigned to, after its declaration."""
    times: int = 1
    """How often the name is declared in its scope."""


class Source:
    """The text of a file, its tree, and its names."""

    def __init__(self, text: str, root: Node, *, is_typed: bool = True) -> None:
        """Resolve the names of a tree; `is_typed` is for TypeScript."""
        self.text = text
        self.is_typed = is_typed
        self.root = root
        self.nodes = list(root.walk())
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self._line_starts = [0, *(at + 1 for at, each in enumerate(text) if each == "\n")]
        statements = [each for each in self.nodes if each.kind in _STATEMENTS]
        ended = [each for each in statements if text[each.end - 1] == ";"]
        self.has_semicolons = 2 * len(ended) >= len(statements)
        self._scopes: dict[int, dict[str, Binding]] = {}
        self._bindings: dict[int, Binding] = {}
        self._declare()
        self._refer()

    def code(self, node: Node) -> str:
        """Return a node as it is written."""
        return self.text[node.start : node.end]

    def line_at(self, offset: int) -> int:
        """Return the number of the line of a character, from 1."""
        return bisect_right(self._line_starts, offset)

    def line(self, node: Node) -> int:
        """Return the number of the line in which a node begins."""
        return self.line_at(node.start)

    def column(self, node: Node) -> int:
        """Return the number of a node's first character in its line, from 1."""
        return node.start - self._line_starts[self.line(node) - 1] + 1

    def line_span(self, node: Node) -> tuple[int, int]:
        """Return the characters of the whole lines of a node."""
        last = self.line_at(node.end)
        end = self._line_starts[last] if last < len(self._line_starts) else len(self.text)
        return self._line_starts[self.line(node) - 1], end

    def indentation_at(self, offset: int) -> str:
        """Return the white space at the start of the line of a character."""
        line = self.text[self._line_starts[self.line_at(offset) - 1] :]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def begins_line(self, offset: int) -> bool:
        """Return True if only white space precedes a character in its line."""
        return not self.text[self._line_starts[self.line_at(offset) - 1] : offset].strip()

    def binding(self, node: Node) -> Binding | None:
        """Return what a name refers to, if that is declared in this file."""
        return self._bindings.get(id(node))

    def resolve(self, name: str, node: Node) -> Binding | None:
        """Return what a name means where a node is."""
        scopes = (self._scopes.get(id(each), {}) for each in node.ancestors())
        return next((names[name] for names in scopes if name in names), None)

    def value_of(self, node: Node) -> Node | None:
        """Return the expression that a name is assigned to, if that is done once."""
        found = self.binding(node)
        if found is None or found.writes or found.times > 1:
            return None
        return found.value

    def references(self, node: Node) -> list[Node]:
        """Return all uses of what a name refers to."""
        found = self.binding(node)
        return [] if found is None else found.references

    def is_free(self, name: str, node: Node) -> bool:
        """Return True if a name means nothing around a node, nor anywhere in the function of it."""
        if any(name in self._scopes.get(id(each), {}) for each in node.ancestors()):
            return False
        around = next((each for each in node.ancestors() if each.kind in FUNCTIONS), self.root)
        return all(each.kind not in _NAMES or self.code(each) != name for each in around.walk())

    def origin(self, node: Node) -> tuple[str, str] | None:
        """
        Return the module and the name that an expression is imported from.

        The default export of a module, the module and `require` of it are taken for one: of all
        that we ask for, each has the same members.
        """
        node = unwrapped(node)
        if node.kind == "await_expression":
            node = unwrapped(node.named[0])
        if node.kind == "call_expression":
            return self._required(node)
        if node.kind in {"member_expression", "nested_type_identifier", "nested_identifier"}:
            return self._member(node.named[0], self.code(node.named[-1]))
        found = self.binding(node)
        if found is None or found.writes or found.times > 1:
            return None
        if found.taken is not None:
            return self._member(*found.taken)
        if found.imported is not None or found.value is None:
            return found.imported
        value = unwrapped(found.value)
        is_module = value.kind in {"call_expression", "member_expression", "await_expression"}
        return self.origin(value) if is_module else None

    def _member(self, node: Node, name: str) -> tuple[str, str] | None:
        before = self.origin(node)
        return before and (before[0], "*" if name == "default" else name)

    def _required(self, node: Node) -> tuple[str, str] | None:
        function, *rest = node.named
        arguments = rest[-1].named if rest else []
        if self.code(function) not in {"require", "import"} or len(arguments) != 1:
            return None
        module = string_value(self.text, arguments[0])
        return None if module is None else (module, "*")

    def _scope_of(self, node: Node, *, is_var: bool = False) -> Node:
        kinds = {*FUNCTIONS, "program"} if is_var else _SCOPES
        return next((each for each in node.ancestors() if each.kind in kinds), self.root)

    def _add(
        self,
        scope: Node,
        node: Node,
        kind: str,
        value: Node | None = None,
        imported: tuple[str, str] | None = None,
    ) -> None:
        names = self._scopes.setdefault(id(scope), {})
        name = self.code(node)
        if name in names:
            names[name].times += 1
        else:
            names[name] = Binding(node, kind, value, imported)
        self._bindings[id(node)] = names[name]

    def _declare(self) -> None:
        kinds = {
            "variable_declarator": self._declare_variable,
            "for_in_statement": self._declare_loop,
            "formal_parameters": self._declare_parameters,
            "arrow_function": self._declare_only_parameter,
            "catch_clause": self._declare_caught,
            "import_statement": self._declare_imports,
            **dict.fromkeys(_DECLARED_NAMES, self._declare_name),
        }
        for node in self.nodes:
            if node.kind in kinds:
                kinds[node.kind](node)

    def _declare_only_parameter(self, node: Node) -> None:
        """Declare the parameter of `x => y` and of `async x => y`."""
        for each in node.children[:2]:
            if each.kind == "identifier":
                self._add(node, each, "parameter")

    def _declare_caught(self, node: Node) -> None:
        for each in self._pattern_names(node.named[0]):
            self._add(node, each, "other")

    def _declare_name(self, node: Node) -> None:
        names = [each for each in node.children if each.kind in _NAMES]
        for name in names[:1]:
            self._add(self._scope_of(node), name, "other")

    def _declare_variable(self, node: Node) -> None:
        assert node.parent is not None
        keyword = self.code(node.parent.children[0])
        scope = self._scope_of(node, is_var=keyword == "var")
        pattern = node.named[0]
        has_value = node.child("=") is not None
        value = node.named[-1] if has_value else None
        if pattern.kind == "identifier":
            self._add(scope, pattern, keyword, value)
            return
        for each in self._pattern_names(pattern):
            assert each.parent is not None
            key = each.parent.named[0] if each.parent.kind == "pair_pattern" else each
            self._add(scope, each, "pattern")
            self._bindings[id(each)].taken = (node.named[-1], self.code(key))

    def _declare_loop(self, node: Node) -> None:
        keyword = node.child("const", "let", "var")
        if keyword is not None:
            for each in self._pattern_names(node.named[0]):
                self._add(node, each, "loop")

    def _declare_parameters(self, node: Node) -> None:
        scope = node.parent
        if scope is None or scope.kind not in FUNCTIONS:
            return
        for each in node.named:
            pattern = each
            if each.kind in _PARAMETERS:
                pattern = next(part for part in each.named if part.kind not in _MODIFIERS)
            for name in self._pattern_names(pattern):
                self._add(scope, name, "parameter")

    def _declare_imports(self, node: Node) -> None:
        required = node.child("import_require_clause")
        clause, module = node.child("import_clause"), (required or node).child("string")
        path = (string_value(self.text, module) if module is not None else "") or ""
        if required is not None:
            self._add(self.root, required.named[0], "import", imported=(path, "*"))
        for each in clause.named if clause is not None else ():
            if each.kind == "identifier":
                self._add(self.root, each, "import", imported=(path, "*"))
            elif each.kind == "namespace_import":
                self._add(self.root, each.named[0], "import", imported=(path, "*"))
            else:
                for one in (part for part in each.named if part.kind == "import_specifier"):
                    name = self.code(one.named[0])
                    imported = (path, "*" if name == "default" else name)
                    self._add(self.root, one.named[-1], "import", imported=imported)

    def _pattern_names(self, pattern: Node) -> list[Node]:
        match pattern.kind:
            case "identifier" | "shorthand_property_identifier_pattern":
                return [pattern]
            case "pair_pattern":
                return self._pattern_names(pattern.named[-1])
            case "assignment_pattern" | "object_assignment_pattern":
                return self._pattern_names(pattern.named[0])
            case "object_pattern" | "array_pattern" | "rest_pattern":
                return [name for each in pattern.named for name in self._pattern_names(each)]
            case _:
                return []

    def _refer(self) -> None:
        for node in self.nodes:
            if node.kind not in _NAMES or id(node) in self._bindings or _is_no_reference(node):
                continue
            found = self.resolve(self.code(node), node)
            if found is None:
                continue
            self._bindings[id(node)] = found
            found.references.append(node)
            if _is_written(node):
                found.writes.append(node)


def default_of(binding: Binding) -> Node | None:
    """Return the expression that a parameter, or a name in a pattern, is by default; or None."""
    declared = binding.node.parent
    if declared is None or binding.kind not in {"parameter", "pattern"}:
        return None
    is_pattern = declared.kind in {"assignment_pattern", "object_assignment_pattern"}
    has_default = is_pattern or declared.child("=") is not None
    return declared.named[-1] if has_default else None


_ASSIGNING: Final = frozenset(
    {"assignment_expression", "augmented_assignment_expression", "for_in_statement"}
)
_MODIFIERS: Final = frozenset({"accessibility_modifier", "override_modifier", "decorator"})


def _is_no_reference(node: Node) -> bool:
    """Return True for the names of an import or export that belong to the other module."""
    parent = node.parent
    if parent is None or parent.kind not in {"import_specifier", "export_specifier"}:
        return False
    return parent.kind == "import_specifier" or parent.named[0] is not node


def _is_written(node: Node) -> bool:
    """Return True if a name is assigned to here."""
    around = next(
        each
        for each in node.ancestors()
        if not each.kind.endswith("_pattern") and each.kind != "parenthesized_expression"
    )
    if around.kind in _ASSIGNING:
        return around.named[0].start <= node.start and node.end <= around.named[0].end
    return around.kind == "update_expression"
