"""
Find the legacy calls of the SDK in a file: `completions.create` of 0.3 and later, 0.2's own.

OpenAI's call looks alike. A call is one of ours if its client is, or if it gives
`max_tokens_to_sample` to a client that is not known to be somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import libcst as cst

from proxy.migrate.python.source import Source, dotted, keys_of

_OLD_METHODS: Final = {
    "completion": (False, False),
    "acompletion": (True, False),
    "completion_stream": (False, True),
    "acompletion_stream": (True, True),
}
"""Methods of 0.2: whether each is asynchronous, and whether it streams."""
_FOREIGN: Final = frozenset({"openai", "litellm", "together", "groq"})


@dataclass(frozen=True, slots=True)
class Site:
    """A legacy call of the SDK."""

    call: cst.Call
    client: cst.BaseExpression
    era: Literal["0.2", "0.3"]
    method: str
    is_async: bool
    streams: bool
    maker: cst.Call | None
    """The call that makes the client, if it is in this file."""
    parameters: cst.Dict | None = None
    """The dictionary of `**parameters`, if that is where the arguments are."""


def sites_of(source: Source) -> tuple[Site, ...]:
    """Return all legacy calls of the SDK in a file, in their order."""
    calls = (node for node in source.nodes if isinstance(node, cst.Call))
    return tuple(site for call in calls if (site := _site(source, call)) is not None)


def _site(source: Source, call: cst.Call) -> Site | None:
    func = call.func
    if not isinstance(func, cst.Attribute):
        return None
    method = func.attr.value
    inner = func.value
    if method == "create" and isinstance(inner, cst.Attribute):
        if inner.attr.value != "completions":
            return None
        client, era = inner.value, "0.3"
        is_async, streams = isinstance(source.parent(call), cst.Await), False
    elif method in _OLD_METHODS:
        client, era = inner, "0.2"
        is_async, streams = _OLD_METHODS[method]
    else:
        return None
    parameters = _parameters(source, call)
    names = {arg.keyword.value for arg in call.args if arg.keyword} | (
        keys_of(parameters) if parameters is not None else set()
    )
    maker = maker_of(source, client)
    made = source.qualified(maker.func) if maker is not None else None
    is_ours = made is not None and made.startswith("anthropic.")
    if not is_ours and ("max_tokens_to_sample" not in names or _is_foreign(source, client, made)):
        return None
    return Site(
        call,
        client,
        "0.3" if era == "0.3" else "0.2",
        method,
        is_async,
        streams,
        maker,
        parameters,
    )


def is_client(source: Source, client: cst.BaseExpression) -> bool:
    """Return True if an expression is a client of ours, and not only of that form."""
    maker = maker_of(source, client)
    made = source.qualified(maker.func) if maker is not None else None
    return made is not None and made.startswith("anthropic.")


def _is_foreign(source: Source, client: cst.BaseExpression, made: str | None) -> bool:
    """Return True for a client or module of somebody else."""
    name = made or source.qualified(client) or ""
    return name.partition(".")[0] in _FOREIGN


def maker_of(source: Source, client: cst.BaseExpression) -> cst.Call | None:
    """Return the call that makes a client: of a name, or of an attribute of `self`."""
    if isinstance(client, cst.Call):
        return client
    if isinstance(client, cst.Name):
        value = source.value_of(client) or _entered(source, client)
        return value if isinstance(value, cst.Call) else None
    wanted = dotted(client)
    if wanted is None or not wanted.startswith("self."):
        return None
    inside = next(
        (each for each in source.ancestors(client) if isinstance(each, cst.ClassDef)),
        None,
    )
    found = [
        node.value
        for node in source.nodes
        if isinstance(node, cst.Assign)
        and any(dotted(each.target) == wanted for each in node.targets)
        and inside in tuple(source.ancestors(node))
    ]
    return found[0] if len(found) == 1 and isinstance(found[0], cst.Call) else None


def _entered(source: Source, name: cst.Name) -> cst.BaseExpression | None:
    """Return the expression of `with expression as name`, if the name is of nothing else."""
    found = source.assignments(name)
    node = getattr(found[0], "node", None) if len(found) == 1 else None
    item = source.parent(source.parent(node) or node) if isinstance(node, cst.Name) else None
    return item.item if isinstance(item, cst.WithItem) else None


def _parameters(source: Source, call: cst.Call) -> cst.Dict | None:
    """Return the dictionary of `create(**name)`."""
    if len(call.args) != 1 or call.args[0].star != "**":
        return None
    value = call.args[0].value
    if isinstance(value, cst.Name):
        followed = source.value_of(value)
        return followed if isinstance(followed, cst.Dict) else None
    return value if isinstance(value, cst.Dict) else None
