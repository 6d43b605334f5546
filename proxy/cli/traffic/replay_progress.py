"""Show the progress of a replay: a bar on a terminal, otherwise a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from proxy.terminal import print_to_stderr
from proxy.traffic.store.replay_results import ReplayResult

ProgressObserver: TypeAlias = Callable[[ReplayResult], None]


@contextmanager
def progress(total: int) -> Iterator[ProgressObserver]:
    """Yield a function to call with every result; it reports on stderr."""
    if not sys.stderr.isatty():
        yield _Lines(total)
        return
    columns = (
        TextColumn("replayed"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as shown:
        yield _Bar(shown, total)


class _Bar:
    def __init__(self, shown: Progress, total: int) -> None:
        self._shown = shown
        self._failed = 0
        self._task = shown.add_task("", total=total, failed=0)

    def __call__(self, result: ReplayResult) -> None:
        self._failed += result.failure is not None
        self._shown.update(self._task, advance=1, failed=self._failed)


class _Lines:
    """Print at most ten lines, one for each tenth that is done."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = self._failed = 0

    def __call__(self, result: ReplayResult) -> None:
        before = self._tenths
        self._done += 1
        self._failed += result.failure is not None
        if self._tenths > before:
            progress = f"{self._done:,} of {self._total:,} replayed, {self._failed:,} failed"
            print_to_stderr(f"holdover: {progress}")

    @property
    def _tenths(self) -> int:
        return self._done * 10 // self._total
