"""
A line of a table for every exchange, one at a time: a log has no last line.

On a terminal the widths follow from its own, and a day has a line of its own.
Elsewhere nothing is cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.text import Text

from proxy.terminal_text import escape_for_terminal
from proxy.traffic import TrafficRecord

# Name, and how wide: at least (with one more space each, and adjustments, 80 in all), at most.
_COLUMNS: Final = (
    ("time", 8, 8),
    ("caller", 9, 16),
    ("model", 20, 40),
    ("ended", 12, 20),
    ("tokens", 7, 9),
    ("ms", 6, 6),
)
_WIDENED: Final = (2, 3, 1, 4)
"""In this order, if there is room."""
_ID: Final = 12
"""What tells two million of them apart."""
_MIN_LAST_WIDTH: Final = 12
_NAMES: Final = (*(name for name, _, _ in _COLUMNS), "adjustments", "id")
_UNCUT: Final = (23, 16, 47, 25, 9, 6, 30)
_COMMON: Final = "claude-"


class TerminalTable:
    """As wide as there is room."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._widths = widths_for(console.width)
        self._day = ""

    def show(self, record: TrafficRecord) -> None:
        """Print its line, and before it what it takes to understand it."""
        if not self._day:
            self._print(_NAMES, "bold")
        day, _, time = record.received.partition("T")
        if day != self._day:
            self._print_line(Text(escape_for_terminal(f"{day} UTC"), "dim"))
            self._day = day
        style = "red" if has_failed(record) else "yellow" if record.client_gone else ""
        self._print((time[:8], *_cells(record), record.id[:_ID]), style)

    def _print(self, cells: Iterable[str], style: str) -> None:
        line = Text(" ").join(map(_fitted, cells, self._widths))
        line.stylize(style)
        self._print_line(line)

    def _print_line(self, line: Text) -> None:
        line.rstrip()
        self._console.print(line, no_wrap=True, crop=False, overflow="ignore", highlight=False)


class PlainTable:
    """For files and pipes."""

    def __init__(self) -> None:
        self._has_begun = False

    def lines(self, record: TrafficRecord) -> list[str]:
        """Its line, and the head of the table before the first."""
        head = [] if self._has_begun else [_uncut(_NAMES)]
        self._has_begun = True
        moment = record.received.replace("T", " ")[:23]
        return [*head, _uncut(map(escape_for_terminal, (moment, *_cells(record), record.id)))]


def widths_for(room: int) -> list[int]:
    """How wide the columns are on a terminal of this width; the id is there if there is room."""
    widths = [*(least for _, least, _ in _COLUMNS), _MIN_LAST_WIDTH]
    left = max(0, room - sum(widths) - len(_COLUMNS))
    last = [_ID] if left > _ID else []
    left -= sum(last) + len(last)
    for place in _WIDENED:
        _, least, most = _COLUMNS[place]
        given = min(left, most - least)
        widths[place] += given
        left -= given
    widths[-1] += left
    return widths + last


def has_failed(record: TrafficRecord) -> bool:
    """As the filter says `error`: also a stream, after its 200."""
    is_error = (record.status or 0) >= 400  # noqa: PLR2004
    return is_error or record.error_type is not None or record.failure is not None


def _cells(record: TrafficRecord) -> list[str]:
    """But for the time and the id."""
    kinds = ", ".join(made.kind for made in record.adjustments)
    return [
        record.caller_name or record.caller or "-",
        _models(record),
        f"{record.status or '-'} {_how(record)}",
        _tokens(record),
        f"{record.total_ms:.0f}",
        f"{len(record.adjustments)}: {kinds}" if kinds else "",
    ]


def _models(record: TrafficRecord) -> str:
    asked, sent = record.asked_model or "-", record.sent_model
    return asked if sent in {None, asked} else f"{asked} -> {sent}"


def _how(record: TrafficRecord) -> str:
    if has_failed(record):
        return record.error_type or record.failure or "error"
    if record.client_gone:
        return "client gone"
    return record.upstream_stop_reason or record.stop_reason or "-"


def _tokens(record: TrafficRecord) -> str:
    pair = (record.input_tokens, record.output_tokens)
    return ">".join("?" if number is None else f"{number:.0f}" for number in pair)


def _fitted(cell: str, width: int) -> Text:
    text = escape_for_terminal(cell)
    if len(text) > width:
        text = text.replace(_COMMON, "")
    fitted = Text(text)
    fitted.truncate(width, overflow="ellipsis", pad=True)
    return fitted


def _uncut(cells: Iterable[str]) -> str:
    return "  ".join(map(str.ljust, cells, (*_UNCUT, 0)))
