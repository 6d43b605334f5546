"""Show the progress of building rollups: a bar on a terminal, otherwise a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from proxy.terminal import print_to_stderr
from proxy.traffic.store.rollups.build import BuildProgress

BuildObserver: TypeAlias = Callable[[BuildProgress], None]


@contextmanager
def shown(progress: BuildProgress) -> Iterator[BuildObserver]:
    """Yield a function to call with the progress; it shows a bar, or a line for each tenth."""
    if not sys.stderr.isatty():
        yield _Lines(progress)
        return
    from rich.console import Console  # noqa: PLC0415 - the import takes a tenth of a second
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("sums of records", total=progress.target, completed=progress.built)
        yield lambda now: bar.update(task, total=now.target, completed=now.built)


class _Lines:
    """Print at most ten lines, one for each tenth that is done."""

    def __init__(self, progress: BuildProgress) -> None:
        self._shown = _tenths(progress)

    def __call__(self, progress: BuildProgress) -> None:
        if (tenths := _tenths(progress)) > self._shown:
            self._shown = tenths
            print_to_stderr(
                f"holdover: {progress.built:,} of {progress.target:,} records summed up"
            )


def _tenths(progress: BuildProgress) -> int:
    return progress.built * 10 // progress.target
