"""A call as lines that may be shown: a prompt can be as long as a book, and hold anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.report.model import CurrentCall
from proxy.terminal_text import printable

_MOST_LINES: Final = 200
_LONGEST: Final = 2_000


def code_lines(call: CurrentCall) -> Iterator[str]:
    """Nothing in them is obeyed by a terminal; what cannot be seen is spelled as JSON spells it."""
    # Not by `splitlines`, which takes U+2028 in a string for the end of a line.
    lines = call.code.removesuffix("\n").split("\n")
    for line in lines[:_MOST_LINES]:
        cut = f" ... {len(line):,} characters" if len(line) > _LONGEST else ""
        yield printable(line[:_LONGEST]) + cut
    if len(lines) > _MOST_LINES:
        yield f"... {len(lines):,} lines"
