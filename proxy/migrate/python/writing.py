"""Write texts and values as Python."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from proxy.migrate.calls import Expression
from proxy.migrate.python.texts import SUM
from proxy.migrate.text import Hole, Text

_SHORT_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Writer:
    """Writes texts in the quotes of the text that they come from."""

    def __init__(self, quotes: str, encoding: str = "utf-8") -> None:
        """`quotes` are those of the first literal; `encoding` is that of the file."""
        self._quotes = quotes
        self._encoding = encoding

    def text(self, text: Text) -> str:
        """Write a text: a literal, an f-string, a sum, or the only expression itself."""
        if len(text) == 1 and isinstance(text[0], Hole) and not text[0].is_rstripped:
            hole = text[0]
            if hole.form == SUM or hole.form.count("\n") > 1:
                return hole.source
        groups: list[list[str | Hole]] = []
        for part in text:
            if groups and self._may_join(groups[-1], part):
                groups[-1].append(part)
            else:
                groups.append([part])
        written = [self._group(group) for group in groups]
        return " + ".join(written) if written else '""'

    def value(self, value: object) -> str:
        """Write a number, an expression, or None."""
        return value.source if isinstance(value, Expression) else repr(value)

    def string(self, text: str) -> str:
        """Write a text in double quotes on one line."""
        return f'"{self._escaped(text, chr(34), is_triple=False)}"'

    def _may_join(self, group: list[str | Hole], part: str | Hole) -> bool:
        if _is_operand(part) or any(_is_operand(each) for each in group):
            return False
        quotes = {_quotes_of(each) for each in (*group, part) if isinstance(each, Hole)}
        return len(quotes) <= 1

    def _group(self, group: list[str | Hole]) -> str:
        first = group[0]
        if len(group) == 1 and isinstance(first, Hole) and _is_operand(first):
            return self._operand(first)
        holes = [each for each in group if isinstance(each, Hole)]
        quotes = _quotes_of(holes[0]) if holes else self._quotes
        has_lines = any(isinstance(each, str) and "\n" in each for each in group)
        code = "".join(
            each if isinstance(each, str) else each.source + each.form.partition("\n")[2]
            for each in group
        )
        if len(quotes) > 1 and not has_lines and quotes[0] not in code:
            quotes = quotes[0]
        prefix = "f" if holes else ""
        is_triple = len(quotes) > 1
        pieces = [
            self._escaped(each, quotes, is_triple=is_triple, in_fields=bool(holes))
            if isinstance(each, str)
            else _field(each)
            for each in group
        ]
        body = "".join(pieces)
        if is_triple and body.endswith(quotes[0]):
            body = f"{body[:-1]}\\{quotes[0]}"
        return f"{prefix}{quotes}{body}{quotes}"

    def _operand(self, hole: Hole) -> str:
        if hole.form == SUM:
            source = hole.source
        else:
            source = self._group([replace(hole, is_rstripped=False)])
        if not hole.is_rstripped:
            return source
        is_simple = source[0] in "f([\"'" or source.replace(".", "").replace("_", "").isalnum()
        return f"{source}.rstrip()" if is_simple else f"({source}).rstrip()"

    def _escaped(self, text: str, quotes: str, *, is_triple: bool, in_fields: bool = False) -> str:
        pieces: list[str] = []
        for character in text:
            if is_triple and character in "\n\t":
                pieces.append(character)
            elif character in _SHORT_ESCAPES:
                pieces.append(_SHORT_ESCAPES[character])
            elif in_fields and character in "{}":
                pieces.append(character * 2)
            elif not is_triple and character == quotes:
                pieces.append(f"\\{character}")
            elif character == " " or (character.isprintable() and self._has(character)):
                pieces.append(character)
            else:
                pieces.append(_escape(character))
        written = "".join(pieces)
        return written.replace(quotes, f"\\{quotes[0]}" * 3) if is_triple else written

    def _has(self, character: str) -> bool:
        try:
            character.encode(self._encoding)
        except UnicodeEncodeError:
            return False
        return True


def entry(name: str, value: str, *, is_dictionary: bool) -> str:
    """Write an argument, or an entry of a dictionary."""
    return f"{json.dumps(name)}: {value}" if is_dictionary else f"{name}={value}"


def _is_operand(part: str | Hole) -> bool:
    return isinstance(part, Hole) and (part.form == SUM or part.is_rstripped)


def _quotes_of(hole: Hole) -> str:
    return hole.form.partition("\n")[0]


def _field(hole: Hole) -> str:
    rest = hole.form.partition("\n")[2].removesuffix("\n")
    space = " " if hole.source.startswith("{") else ""
    return f"{{{space}{hole.source}{rest}}}"


def _escape(character: str) -> str:
    number = ord(character)
    if number > 0xFFFF:  # noqa: PLR2004 - the basic plane
        return f"\\U{number:08x}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"  # noqa: PLR2004
