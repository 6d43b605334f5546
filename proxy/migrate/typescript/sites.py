"""
Find the legacy calls of the SDK in a file: `completions.create` of 0.5 and later, 0.4's own.

OpenAI's call looks alike. A call is one of ours if its client is, or if it gives
`max_tokens_to_sample` to a client that is not known to be somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from proxy.migrate.typescript.arguments import keys_of
from proxy.migrate.typescript.nodes import Node, unwrapped
from proxy.migrate.typescript.source import Source
from proxy.migrate.typescript.texts import SDK

_OLD_METHODS: Final = frozenset({"complete", "completeStream"})
OTHER_PRODUCTS: Final = frozenset({"@anthropic-ai/bedrock-sdk", "@anthropic-ai/vertex-sdk"})
_FOREIGN: Final = frozenset({"openai", "@azure/openai", "together-ai", "groq-sdk", "replicate"})
CLASSES: Final = frozenset({"class_declaration", "abstract_class_declaration", "class"})


@dataclass(frozen=True, slots=True)
class Site:
    """A legacy call of the SDK."""

    call: Node
    method: Node
    """The last name of what is called."""
    client: Node
    era: Literal["0.4", "0.5"]
    maker: Node | None
    """The expression that makes the client, if it is in this file."""
    module: str | None
    """The module that the client's class is imported from."""
    parameters: Node | None
    """The object that holds the parameters, if that is in sight."""


def sites_of(source: Source) -> tuple[Site, ...]:
    """Return all legacy calls of the SDK in a file, in their order."""
    calls = (node for node in source.nodes if node.kind == "call_expression")
    return tuple(site for call in calls if (site := _site(source, call)) is not None)


def arguments_of(call: Node) -> list[Node]:
    """Return the arguments of a call."""
    found = call.child("arguments")
    return found.named if found is not None else []


def _site(source: Source, call: Node) -> Site | None:
    function = call.named[0]
    if function.kind != "member_expression":
        return None
    method, inner = function.named[-1], unwrapped(function.named[0])
    name = source.code(method)
    era: Literal["0.4", "0.5"] = "0.4"
    client = inner
    if name == "create" and inner.kind == "member_expression":
        if source.code(inner.named[-1]) != "completions":
            return None
        era, client = "0.5", unwrapped(inner.named[0])
    elif name not in _OLD_METHODS:
        return None
    parameters = _parameters(source, call)
    maker = _maker(source, client)
    module = _module(source, client, maker)
    if module != SDK and module not in OTHER_PRODUCTS:
        keys = keys_of(source, parameters) if parameters is not None else frozenset[str]()
        if "max_tokens_to_sample" not in keys or module in _FOREIGN:
            return None
    return Site(call, method, client, era, maker, module, parameters)


def _module(source: Source, client: Node, maker: Node | None) -> str | None:
    """Return the module of a client's class: of what makes it, or of a parameter's type."""
    origin = source.origin(maker.named[0]) if maker is not None else None
    binding = source.binding(client)
    if origin is None and binding is not None:
        origin = source.origin(client)
        declared = binding.node.parent
        annotation = declared.child("type_annotation") if declared is not None else None
        if annotation is not None:
            origin = source.origin(annotation.named[0])
    return origin[0] if origin is not None else None


def _maker(source: Source, client: Node) -> Node | None:
    """Return the `new` expression of a client: of a name, or of a property of `this`."""
    if client.kind == "identifier":
        value = source.value_of(client)
        found = [] if value is None else [value]
    elif client.kind == "member_expression" and client.named[0].kind == "this":
        found = assigned_in_class(source, client)
    else:
        found = [client]
    makers = [unwrapped(each) for each in found]
    return makers[0] if len(makers) == 1 and makers[0].kind == "new_expression" else None


def assigned_in_class(source: Source, client: Node) -> list[Node]:
    """Return all that a property of `this` is assigned in its class."""
    name = source.code(client.named[-1])
    around = next((each for each in client.ancestors() if each.kind in CLASSES), None)
    found: list[Node] = []
    for node in around.walk() if around is not None else ():
        if node.child("=") is None:
            continue
        key = node.child("property_identifier", "private_property_identifier")
        is_field = key is not None and source.code(key) == name
        if is_field or source.code(node.named[0]) == f"this.{name}":
            found.append(node.named[-1])
    return found


def _parameters(source: Source, call: Node) -> Node | None:
    """Return the object of `create({...})`, or of the name in `create(name)`."""
    given = arguments_of(call)
    if not given:
        return None
    value = unwrapped(given[0])
    if value.kind == "identifier":
        value = unwrapped(source.value_of(value) or value)
    return value if value.kind == "object" else None
