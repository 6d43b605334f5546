"""
Find the posts of a file: bodies of the legacy API, and the calls of `fetch` and axios with them.

A body is followed by `JSON.stringify`, and by names that are used once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.migrate.typescript.bodies import bodies_in, given_to, use_of_declared
from proxy.migrate.typescript.literals import string_value
from proxy.migrate.typescript.nodes import Node, unwrapped, wrapped
from proxy.migrate.typescript.sites import arguments_of
from proxy.migrate.typescript.source import Source

_FETCH: Final = frozenset({"fetch", "globalThis.fetch", "window.fetch", "self.fetch"})
_EMPTY: Final = frozenset({"null", "undefined"})
_FETCHING_MODULES: Final = frozenset({"node-fetch", "cross-fetch", "undici", "isomorphic-fetch"})
_LOADED: Final = re.compile(
    r"\(\.\.\.(\w+)\)\s*=>\s*import\([\"']node-fetch[\"']\)\s*\.then\(\s*"
    r"\(\{\s*default:\s*(\w+),?\s*\}\)\s*=>\s*\2\(\.\.\.\1\),?\s*\)"
)
"""A function that loads node-fetch at its first call, as its README tells CommonJS to write it."""


@dataclass(frozen=True, slots=True)
class Post:
    """A call that sends a body, with what it says of the request."""

    body: Node
    """The object that is the body."""
    call: Node
    is_axios: bool
    address: Node | None
    options: Node | None
    """The object with the headers and whatever else the call is told."""
    method: str | None
    """Name of its method in capitals; None if that is not in sight."""


def posts_in(source: Source, taken: frozenset[int]) -> list[Post]:
    """Return the posts of a file, but for objects that are `taken`: those of calls of the SDK."""
    posts = (_post(source, body) for body in bodies_in(source, taken))
    return [post for post in posts if post is not None]


def _post(source: Source, body: Node) -> Post | None:
    current: Node | None = wrapped(body)
    while current is not None and (parent := current.parent) is not None:
        call = parent.parent
        if parent.kind == "variable_declarator":
            current = use_of_declared(source, current, parent)
        elif parent.kind == "arguments" and call is not None:
            if source.code(call.named[0]) != "JSON.stringify":
                return _posted(source, body, current, call)
            # Whatever chooses entries by their names knows those of the legacy API.
            is_whole = [source.code(each) for each in parent.named[1:2]] in (
                [],
                ["null"],
                ["undefined"],
            )
            current = wrapped(call) if is_whole and parent.named[0] is current else None
        elif parent.kind == "pair":
            return _configured(source, body, parent, _key(source, parent))
        elif parent.kind == "object":
            return _configured(source, body, current, source.code(current))
        else:
            return None
    return None


def _configured(source: Source, body: Node, entry: Node, key: str) -> Post | None:
    """Return the call whose options have the body as an entry."""
    options = entry.parent
    assert options is not None
    call, argument = given_to(source, options) or (None, None)
    if call is None:
        return None
    said, given = values_of(source, options), arguments_of(call)
    function = call.named[0]
    written = string_value(source.text, said["method"]) if "method" in said else None
    method = None if written is None else written.upper()
    if key == "body" and _is_fetch(source, function) and given[1:] == [argument]:
        return Post(body, call, is_axios=False, address=given[0], options=options, method=method)
    if key == "data" and _is_axios(source, function) and given == [argument]:
        address = said.get("url")
        return Post(body, call, is_axios=True, address=address, options=options, method=method)
    return None


def _posted(source: Source, body: Node, current: Node, call: Node) -> Post | None:
    """Return the call if it is `axios.post(address, body, options)`."""
    function = call.named[0]
    if function.kind != "member_expression" or source.code(function.named[-1]) != "post":
        return None
    address, *rest = arguments_of(call)
    if not _is_axios(source, function.named[0]) or rest[:1] != [current]:
        return None
    options = unwrapped(rest[1]) if rest[1:] else None
    if options is not None and options.kind != "object":
        options = None
    return Post(body, call, is_axios=True, address=address, options=options, method="POST")


def values_of(source: Source, options: Node) -> Mapping[str, Node]:
    """Return the values of the entries of an object, by their names."""
    return {
        _key(source, each): each.named[-1] if each.kind == "pair" else each
        for each in options.named
    }


def _key(source: Source, entry: Node) -> str:
    return source.code(entry.named[0] if entry.kind == "pair" else entry).strip("\"'")


def _is_fetch(source: Source, function: Node) -> bool:
    origin = source.origin(function)
    if origin is not None:
        return origin[0] in _FETCHING_MODULES
    if (value := source.value_of(function)) is not None:
        return value.kind == "arrow_function" and _LOADED.match(source.code(value)) is not None
    return source.binding(function) is None and source.code(function) in _FETCH


def _is_axios(source: Source, node: Node) -> bool:
    return source.origin(node) == ("axios", "*")
