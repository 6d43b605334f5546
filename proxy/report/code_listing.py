"""A call's code as lines that are safe to show and not too many; prompts hold anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.report.model import CurrentCall
from proxy.terminal_text import escape_for_terminal

_MAX_LINES: Final = 200
_MAX_LENGTH: Final = 2_000


def code_lines(call: CurrentCall, longest: int = _MAX_LENGTH) -> Iterator[str]:
    """Yield the lines of code, cut if very long, with invisible characters escaped as in JSON."""
    # Not `splitlines`, which also splits at U+2028 within a string.
    lines = call.code.removesuffix("\n").split("\n")
    for line in lines[:_MAX_LINES]:
        cut = f" ... {len(line):,} characters" if len(line) > longest else ""
        yield escape_for_terminal(line[:longest]) + cut
    if len(lines) > _MAX_LINES:
        yield f"... {len(lines):,} lines"
