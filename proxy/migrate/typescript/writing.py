"""Write texts and values as JavaScript, which is TypeScript, too."""

from __future__ import annotations

import json

from proxy.migrate.calls import Expression
from proxy.migrate.text import Hole, Text, holes_in
from proxy.migrate.typescript.literals import quoted, template_piece
from proxy.migrate.typescript.texts import STRING


class Writer:
    """Writes texts in the way of the text that they come from."""

    def __init__(self, quote: str = '"', *, keeps_lines: bool = False) -> None:
        """`keeps_lines` writes line ends in templates as they are."""
        self.quote = quote
        self._keeps_lines = keeps_lines

    def text(self, text: Text) -> str:
        """Write a text: a string, a template literal, or the only expression itself."""
        if len(text) == 1 and isinstance(text[0], Hole):
            hole = text[0]
            if hole.form == STRING and not hole.is_rstripped:
                return hole.source
        if not holes_in(text):
            said = "".join(part for part in text if isinstance(part, str))
            if not (self._keeps_lines and "\n" in said):
                return self.string(said)
        pieces = [
            template_piece(part, keeps_lines=self._keeps_lines)
            if isinstance(part, str)
            else _substitution(part)
            for part in text
        ]
        return f"`{''.join(pieces)}`"

    def string(self, text: str) -> str:
        """Write a string on one line."""
        return quoted(text, self.quote)

    def value(self, value: object) -> str:
        """Write a number, an expression, or nothing."""
        return value.source if isinstance(value, Expression) else json.dumps(value)


def _substitution(hole: Hole) -> str:
    if not hole.is_rstripped:
        return f"${{{hole.source}}}"
    return f"${{String({hole.source}).trimEnd()}}"
