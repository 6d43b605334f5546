"""Read and write literals: strings, and the pieces of template literals."""

from __future__ import annotations

import re
from typing import Final

from proxy.migrate.typescript.nodes import Node

_ESCAPE: Final = re.compile(
    r"\\(?:u\{([0-9a-fA-F]+)\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})"
    r"|([0-3][0-7]{0,2}|[4-7][0-7]?)|(\r\n|[\s\S]))"
)
_SIMPLE: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}
_LINE_ENDS: Final = frozenset({"\n", "\r", "\r\n", "\u2028", "\u2029"})
_SHORT: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def decoded(raw: str) -> str:
    """Return what the inside of a literal says, with its escapes resolved."""
    text = _ESCAPE.sub(_unescaped, re.sub(r"\r\n?", "\n", raw))
    # Escapes name halves of a character; together they are one.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _unescaped(found: re.Match[str]) -> str:
    braces, four, two, octal, other = found.groups()
    if number := braces or four or two:
        return chr(min(int(number, 16), 0x10FFFF))
    if octal:
        return chr(int(octal, 8))
    return "" if other in _LINE_ENDS else _SIMPLE.get(other, other)


def string_value(text: str, node: Node) -> str | None:
    """Return what a string or a template without holes says; None for anything else."""
    if node.kind == "string" or (node.kind == "template_string" and not substitutions(node)):
        return decoded(text[node.start + 1 : node.end - 1])
    return None


def substitutions(node: Node) -> list[Node]:
    """Return the holes of a template literal."""
    return [each for each in node.children if each.kind == "template_substitution"]


def quoted(text: str, quote: str) -> str:
    """Write a string in quotes."""
    return quote + "".join(_escaped(each, quote) for each in text) + quote


def template_piece(text: str, *, keeps_lines: bool) -> str:
    """Write a piece of a template literal, without its backticks."""
    pieces: list[str] = []
    for index, each in enumerate(text):
        if (each == "\n" and keeps_lines) or (each == "\t" and keeps_lines):
            pieces.append(each)
        elif each == "$" and text[index + 1 : index + 2] == "{":
            pieces.append("\\$")
        else:
            pieces.append(_escaped(each, "`"))
    return "".join(pieces)


def _escaped(character: str, quote: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character == quote:
        return f"\\{quote}"
    if character == " " or character.isprintable():
        return character
    number = ord(character)
    if number > 0xFFFF:  # noqa: PLR2004 - the basic plane
        return f"\\u{{{number:x}}}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"  # noqa: PLR2004
