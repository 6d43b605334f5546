"""Find the bodies of the legacy API in a file, and what they are given to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.migrate.typescript.answers import is_exported
from proxy.migrate.typescript.arguments import keys_of
from proxy.migrate.typescript.nodes import Node, wrapped
from proxy.migrate.typescript.source import Source

_KEYS: Final = frozenset({"prompt", "max_tokens_to_sample"})


def bodies_in(source: Source, taken: frozenset[int] = frozenset()) -> Iterator[Node]:
    """Yield the objects that are bodies of the legacy API, but for those that are `taken`."""
    for node in source.nodes:
        if node.kind == "object" and id(node) not in taken and keys_of(source, node) >= _KEYS:
            yield node


def only_use(source: Source, name: Node) -> Node | None:
    """Return the one use of a name that is assigned once and not exported; None otherwise."""
    binding = source.binding(name)
    if binding is None or source.value_of(name) is None or is_exported(binding.node):
        return None
    return binding.references[0] if len(binding.references) == 1 else None


def use_of_declared(source: Source, value: Node, declarator: Node) -> Node | None:
    """Return where a value is used that has a name, if it is once and no type says what it has."""
    used = only_use(source, declarator.named[0])
    is_typed = value.kind == "object" and declarator.child("type_annotation") is not None
    return None if used is None or is_typed else wrapped(used)


def given_to(source: Source, options: Node) -> tuple[Node, Node] | None:
    """Return the call or `new` that an object is given to, by name or not, and its argument."""
    argument: Node | None = wrapped(options)
    declared = wrapped(options).parent
    if declared is not None and declared.kind == "variable_declarator":
        argument = only_use(source, declared.named[0])
    arguments = None if argument is None else argument.parent
    if argument is None or arguments is None or arguments.kind != "arguments":
        return None
    return None if arguments.parent is None else (arguments.parent, argument)
