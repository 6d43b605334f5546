"""Show the progress of long work on records: a bar on a terminal, otherwise a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from proxy.terminal import print_to_stderr

Observer: TypeAlias = Callable[[int, int], None]
"""Called with the number of records that are done, and of all."""


@contextmanager
def shown(title: str, participle: str, *, done: int, total: int) -> Iterator[Observer]:
    """Yield a function to call with the progress; it shows a bar, or a line for each tenth."""
    if not sys.stderr.isatty():
        yield _Lines(participle, _tenths(done, total))
        return
    from rich.console import Console  # noqa: PLC0415 - the import takes a tenth of a second
    from rich.progress import Progress  # noqa: PLC0415

    # What is printed meanwhile may be meant for a file, which is not the bar's terminal.
    with Progress(console=Console(stderr=True), redirect_stdout=False) as bar:
        task = bar.add_task(title, total=total, completed=done)
        yield lambda now, of: bar.update(task, total=of, completed=now)


@dataclass(slots=True)
class _Lines:
    """Prints at most ten lines, one for each tenth that is done."""

    participle: str
    shown: int

    def __call__(self, done: int, total: int) -> None:
        if (tenths := _tenths(done, total)) > self.shown:
            self.shown = tenths
            print_to_stderr(f"holdover: {done:,} of {total:,} records {self.participle}")


def _tenths(done: int, total: int) -> int:
    return done * 10 // total
