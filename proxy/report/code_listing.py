"""A call as lines that may be shown: a prompt can be as long as a book, and hold anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.report.model import CurrentCall
from proxy.terminal_text import escape_for_terminal

_MAX_LINES: Final = 200
_MAX_LENGTH: Final = 2_000


def code_lines(call: CurrentCall) -> Iterator[str]:
    """Nothing in them is obeyed by a terminal; what cannot be seen is spelled as JSON spells it."""
    # Not by `splitlines`, which takes U+2028 in a string for the end of a line.
    lines = call.code.removesuffix("\n").split("\n")
    for line in lines[:_MAX_LINES]:
        cut = f" ... {len(line):,} characters" if len(line) > _MAX_LENGTH else ""
        yield escape_for_terminal(line[:_MAX_LENGTH]) + cut
    if len(lines) > _MAX_LINES:
        yield f"... {len(lines):,} lines"
