"""
What verbs say, line by line: nothing that is quoted in a line ends it, or moves the cursor.

All verbs print by these, but for those that draw pages and tables of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

import typer

from proxy.terminal_text import escape_for_terminal

_WIDE = 160
"""Where no terminal says how wide it is."""


def say(*lines: str, bold: bool = False) -> None:
    """Print lines."""
    for line in lines:
        typer.secho(escape_for_terminal(line), bold=bold or None)


def tell(*lines: str) -> None:
    """Print lines beside what is printed, which may be read by a program."""
    for line in lines:
        typer.echo(escape_for_terminal(line), err=True)


def stop(*lines: str, status: int = 2) -> NoReturn:
    """Say why it goes no further, and end with this status."""
    first, *others = lines
    tell(f"holdover: {first}", *others)
    raise typer.Exit(status)


def show_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> None:
    """Print a table; what is in a cell means nothing to who draws it."""
    # A tenth of a second, which verbs without a table need not wait for.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*(Text(escape_for_terminal(cell), overflow="fold") for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=_WIDE)).print(table)
