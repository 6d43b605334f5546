"""
Tables that print one line per exchange as it comes, since a log has no last line.

On a terminal the columns fit its width, some are left out where it is narrow, and each day
has a line of its own. In files and pipes nothing is shortened or left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.text import Text

from proxy.explanation import model_in_words
from proxy.outcome import Outcome
from proxy.terminal_text import escape_for_terminal
from proxy.traffic import TrafficRecord

_ID_WIDTH: Final = 8
"""Enough random characters to tell two million exchanges apart."""
_ID_PREFIX: Final = "req_"
_COMMON: Final = "claude-"


def _ending(record: TrafficRecord) -> str:
    match record.outcome:
        case Outcome.ANSWERED:
            ending = record.upstream_stop_reason or record.stop_reason or "-"
        case Outcome.CLIENT_GONE:
            ending = "client gone"
        case _:
            ending = record.error_type or record.failure or record.outcome.value
    return f"{record.status or '-'} {ending}"


def _tokens(record: TrafficRecord) -> str:
    counts = (record.input_tokens, record.output_tokens)
    return ">".join("?" if number is None else f"{number:.0f}" for number in counts)


def _adjustments(record: TrafficRecord) -> str:
    kinds = ", ".join(made.kind for made in record.adjustments)
    return f"{len(record.adjustments)} {kinds}" if kinds else ""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column, and how wide it is: on a terminal at least and at most, and in files."""

    cell: Callable[[TrafficRecord], str]
    least: int
    most: int
    uncut: int


_COLUMNS: Final[Mapping[str, _Column]] = {
    "time": _Column(lambda record: record.received.replace("T", " ")[:23], 8, 8, 23),
    "id": _Column(lambda record: record.id, _ID_WIDTH, _ID_WIDTH, 28),
    "caller": _Column(lambda record: record.caller_name or record.caller or "-", 9, 16, 16),
    "sdk": _Column(lambda record: record.sdk or "-", 13, 20, 16),
    "model": _Column(
        lambda record: model_in_words(record.asked_model, record.sent_model), 17, 40, 47
    ),
    "rule": _Column(lambda record: record.rule or "-", 10, 20, 16),
    "route": _Column(  # with a mark if it was the second try
        lambda record: f"{'>' if record.first_failure else ''}{record.route or '-'}", 10, 10, 10
    ),
    "first failure": _Column(lambda record: record.first_failure or "-", 13, 24, 24),
    "ended": _Column(_ending, 12, 20, 25),
    "tokens": _Column(_tokens, 7, 9, 9),
    "ms": _Column(lambda record: f"{record.total_ms:.0f}", 6, 6, 6),
    "adjustments": _Column(_adjustments, 3, 3, 0),
}
"""All columns by name, in order. The last one takes the width that is left."""
_ADDED: Final = ("rule", "tokens", "sdk", "first failure")
"""Columns that a terminal of 80 columns has no room for, in the order in which wider ones get them;
the others need exactly 80."""
_WIDENED: Final = ("model", "ended", "caller", "rule", "first failure", "sdk", "tokens")
"""Columns that get the spare width, in this order."""
_ROOM_FOR_KINDS: Final = 9
"""Width that the last column gets before the others are widened."""


class TerminalTable:
    """A table that fits the width of the terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._widths = widths_for(console.width)
        self._day = ""

    def show(self, record: TrafficRecord) -> None:
        """Print a record's line, below the column names or the day if those are new."""
        if not self._day:
            # A name that is too long is cut off like a cell, but without a mark for that.
            self._print((name[:width] for name, width in self._widths.items()), "bold")
        day, _, time = record.received.partition("T")
        if day != self._day:
            self._print_line(Text(escape_for_terminal(f"{day} UTC"), "dim"))
            self._day = day
        is_answered = record.outcome is Outcome.ANSWERED
        style = "red" if record.outcome.is_error else "" if is_answered else "yellow"
        short = {"time": time[:8], "id": record.id.removeprefix(_ID_PREFIX)[:_ID_WIDTH]}
        cells = (short.get(name) or _COLUMNS[name].cell(record) for name in self._widths)
        self._print(cells, style)

    def _print(self, cells: Iterable[str], style: str) -> None:
        fitted: list[Text] = []
        for cell, width in zip(cells, self._widths.values(), strict=True):
            text = escape_for_terminal(cell)
            shown = Text(text if len(text) <= width else text.replace(_COMMON, ""))
            shown.truncate(width, overflow="ellipsis", pad=True)
            fitted.append(shown)
        line = Text(" ").join(fitted)
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
        header = [] if self._has_header else [_join_uncut(_COLUMNS)]
        self._has_header = True
        cells = (escape_for_terminal(column.cell(record)) for column in _COLUMNS.values())
        return [*header, _join_uncut(cells)]


def widths_for(room: int) -> dict[str, int]:
    """Return the columns that fit a terminal of `room` columns, and their widths."""
    names = {name for name in _COLUMNS if name not in _ADDED}
    spare = max(0, room - sum(_COLUMNS[name].least + 1 for name in names) + 1)
    for name in _ADDED:
        if (needed := _COLUMNS[name].least + 1) <= spare:
            names.add(name)
            spare -= needed
    widths = {name: column.least for name, column in _COLUMNS.items() if name in names}
    *_, last = widths
    kinds = min(spare, _ROOM_FOR_KINDS)
    spare -= kinds
    for name in _WIDENED:
        if name in widths:
            added = min(spare, _COLUMNS[name].most - widths[name])
            widths[name] += added
            spare -= added
    widths[last] += kinds + spare
    return widths


def _join_uncut(cells: Iterable[str]) -> str:
    widths = (column.uncut for column in _COLUMNS.values())
    return "  ".join(map(str.ljust, cells, widths)).rstrip()
