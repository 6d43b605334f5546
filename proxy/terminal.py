"""
Output of the commands: lines and tables in which control characters are escaped.

Text from clients or models can thus neither end a line nor move the cursor. All commands
print with these functions, except those that draw pages of their own.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import typer

from proxy.terminal_text import escape_for_terminal

_SHOWN_EVERY = 200
_DEFAULT_WIDTH = 160
"""Width of tables in columns if the output is not a terminal."""


def print_lines(*lines: str, bold: bool = False) -> None:
    """Print lines to standard output."""
    for line in lines:
        typer.secho(escape_for_terminal(line), bold=bold or None)


def print_bytes(data: bytes) -> None:
    """Print bytes that a program reads as they are; on a terminal, as lines."""
    if sys.stdout.isatty():
        print_lines(*data.decode(errors="replace").removesuffix("\n").split("\n"))
        return
    sys.stdout.flush()
    typer.echo(data, nl=False)


def print_to_stderr(*lines: str) -> None:
    """Print lines to standard error, because a program may read the standard output."""
    for line in lines:
        typer.echo(escape_for_terminal(line), err=True)


def exit_with_error(*lines: str, status: int = 2) -> NoReturn:
    """Print an error to standard error and exit with this status."""
    first, *others = lines
    print_to_stderr(f"holdover: {first}", *others)
    raise typer.Exit(status)


@contextmanager
def counting(things: str) -> Iterator[Callable[[], None]]:
    """Yield what counts things, and shows their number on a terminal now and then."""
    numbers = itertools.count(1)
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - the import takes a tenth of a second
    from rich.status import Status  # noqa: PLC0415

    with Status(f"looking at {things}", console=Console(stderr=True)) as status:

        def count() -> None:
            if not (number := next(numbers)) % _SHOWN_EVERY:
                status.update(f"{number:,} {things}")

        yield count


def show_table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> None:
    """Print a table; markup in cells is printed literally."""
    # The import takes a tenth of a second, which other commands need not wait for.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*(Text(escape_for_terminal(cell), overflow="fold") for cell in row))
    console = Console()
    (console if console.is_terminal else Console(width=_DEFAULT_WIDTH)).print(table)
