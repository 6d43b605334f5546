"""
Tables that print one line per exchange as it comes, since a log has no last line.

On a terminal the columns fit its width, and each day has a line of its own.
In files and pipes nothing is shortened.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.text import Text

from proxy.outcome import Outcome
from proxy.terminal_text import escape_for_terminal
from proxy.traffic import TrafficRecord

# Name, minimum width and maximum width. The minimums, a space each and adjustments make 80.
_COLUMNS: Final = (
    ("time", 8, 8),
    ("caller", 9, 16),
    ("model", 20, 40),
    ("ended", 12, 20),
    ("tokens", 7, 9),
    ("ms", 6, 6),
)
_WIDENED_FIRST: Final = (2, 3, 1, 4)
"""Columns that get the spare width, in this order."""
_ID_WIDTH: Final = 12
"""Enough characters to tell two million exchanges apart."""
_MIN_LAST_WIDTH: Final = 12
_NAMES: Final = (*(name for name, _, _ in _COLUMNS), "adjustments", "id")
_UNCUT: Final = (23, 16, 47, 25, 9, 6, 30)
_COMMON: Final = "claude-"


class TerminalTable:
    """A table that fits the width of the terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._widths = widths_for(console.width)
        self._day = ""

    def show(self, record: TrafficRecord) -> None:
        """Print a record's line, below the column names or the day if those are new."""
        if not self._day:
            self._print(_NAMES, "bold")
        day, _, time = record.received.partition("T")
        if day != self._day:
            self._print_line(Text(escape_for_terminal(f"{day} UTC"), "dim"))
            self._day = day
        is_answered = record.outcome is Outcome.ANSWERED
        style = "red" if record.outcome.is_error else "" if is_answered else "yellow"
        self._print((time[:8], *_cells(record), record.id[:_ID_WIDTH]), style)

    def _print(self, cells: Iterable[str], style: str) -> None:
        line = Text(" ").join(map(_fit, cells, self._widths))
        line.stylize(style)
        self._print_line(line)

    def _print_line(self, line: Text) -> None:
        line.rstrip()
        self._console.print(line, no_wrap=True, crop=False, overflow="ignore", highlight=False)


class PlainTable:
    """A table of full-length cells, for files and pipes."""

    def __init__(self) -> None:
        self._has_header = False

    def lines(self, record: TrafficRecord) -> list[str]:
        """Return a record's line, after the column names if it is the first."""
        header = [] if self._has_header else [_join_uncut(_NAMES)]
        self._has_header = True
        time = record.received.replace("T", " ")[:23]
        return [*header, _join_uncut(map(escape_for_terminal, (time, *_cells(record), record.id)))]


def widths_for(room: int) -> list[int]:
    """Return the column widths for a terminal of `room` columns; wide ones have one for the id."""
    widths = [*(least for _, least, _ in _COLUMNS), _MIN_LAST_WIDTH]
    spare = max(0, room - sum(widths) - len(_COLUMNS))
    last = [_ID_WIDTH] if spare > _ID_WIDTH else []
    spare -= sum(last) + len(last)
    for place in _WIDENED_FIRST:
        _, least, most = _COLUMNS[place]
        added = min(spare, most - least)
        widths[place] += added
        spare -= added
    widths[-1] += spare
    return widths + last


def _cells(record: TrafficRecord) -> list[str]:
    """Return all cells but the time and the id."""
    asked, sent = record.asked_model or "-", record.sent_model
    kinds = ", ".join(made.kind for made in record.adjustments)
    tokens = (record.input_tokens, record.output_tokens)
    match record.outcome:
        case Outcome.ANSWERED:
            ending = record.upstream_stop_reason or record.stop_reason or "-"
        case Outcome.CLIENT_GONE:
            ending = "client gone"
        case _:
            ending = record.error_type or record.failure or record.outcome.value
    return [
        record.caller_name or record.caller or "-",
        asked if sent in {None, asked} else f"{asked} -> {sent}",
        f"{record.status or '-'} {ending}",
        ">".join("?" if number is None else f"{number:.0f}" for number in tokens),
        f"{record.total_ms:.0f}",
        f"{len(record.adjustments)}: {kinds}" if kinds else "",
    ]


def _fit(cell: str, width: int) -> Text:
    text = escape_for_terminal(cell)
    if len(text) > width:
        text = text.replace(_COMMON, "")
    fitted = Text(text)
    fitted.truncate(width, overflow="ellipsis", pad=True)
    return fitted


def _join_uncut(cells: Iterable[str]) -> str:
    return "  ".join(map(str.ljust, cells, (*_UNCUT, 0)))
