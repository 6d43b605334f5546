"""How far a replay is: a bar for whoever watches, else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from proxy.terminal import tell
from proxy.traffic.store.replay_results import ReplayResult

ProgressObserver: TypeAlias = Callable[[ReplayResult], None]


@contextmanager
def progress(total: int) -> Iterator[ProgressObserver]:
    """What is to be told of every result; all is shown on stderr."""
    if not sys.stderr.isatty():
        yield _Lines(total)
        return
    columns = (
        TextColumn("asked again"),
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
    """Ten of them, at most."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = self._failed = 0

    def __call__(self, result: ReplayResult) -> None:
        before = self._tenths
        self._done += 1
        self._failed += result.failure is not None
        if self._tenths > before:
            said = f"{self._done:,} of {self._total:,} asked again, {self._failed:,} failed"
            tell(f"holdover: {said}")

    @property
    def _tenths(self) -> int:
        return self._done * 10 // self._total
