"""`holdover traffic rebuild` and `check`: the sums that reports are made of, and the records."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from proxy.cli.traffic.open_store import open_traffic_store
from proxy.cli.traffic.progress import shown
from proxy.report.formatting import one_or_many
from proxy.terminal import exit_with_error, print_lines, print_to_stderr
from proxy.traffic.store.aggregates import exchanges_in
from proxy.traffic.store.rollups.build import (
    BuildProgress,
    begin_rebuild,
    build_step,
    progress_of,
    rebuild_deleted,
)
from proxy.traffic.store.rollups.compare import (
    comparable_periods,
    compare_days,
    compare_period,
)
from proxy.traffic.store.rollups.ledger import different_days
from proxy.traffic.store.row_mapping import moment_of

if TYPE_CHECKING:
    from proxy.traffic.store.store import Store

_MAX_SHOWN: Final = 20


def run_rebuild(config: Path | None, secrets: Path | None, *, demo: bool) -> None:
    """Build the rollups anew, or go on with a build that was interrupted."""
    with open_traffic_store(config, secrets, demo=demo) as store:
        with store.writing() as connection:
            progress = progress_of(connection)
            if progress.left:
                print_to_stderr("holdover: going on with the build that has begun")
            else:
                progress = begin_rebuild(connection)
        build_rollups(store, progress)
    print_lines(f"The sums of {one_or_many(progress.target, 'record')} are built.")


def begun_rebuild(store: Store) -> BuildProgress:
    """Return the progress of a build, begun now if somebody has deleted rollups."""
    with store.reading() as connection:
        progress = progress_of(connection)
        is_due = not progress.left and different_days(connection)
    if is_due:
        with store.writing() as connection:
            progress = rebuild_deleted(connection)
    return progress


def build_rollups(store: Store, progress: BuildProgress) -> None:
    """Take the steps that are left, and show the progress; a server may go on meanwhile."""
    if not progress.left:
        return
    title, total = "sums of records", progress.target
    with shown(title, "summed up", done=progress.built, total=total) as show:
        while progress.left:
            with store.writing() as connection:
                progress = build_step(connection)
            show(progress.built, progress.target)


def run_check(config: Path | None, secrets: Path | None, *, demo: bool, buckets: int) -> None:
    """Compare rollups and records; exit with 1 if they differ."""
    with (
        open_traffic_store(config, secrets, demo=demo, must_be_complete=True) as store,
        store.reading() as connection,
    ):
        if left := progress_of(connection).left:
            exit_with_error(
                f"the sums of {one_or_many(left, 'record')} are still being built; try again"
                " later, or run `holdover traffic rebuild`"
            )
        differences = list(compare_days(connection))
        periods = comparable_periods(connection)
        sample = random.sample(periods, min(buckets, len(periods)))
        compared = 0
        for period in sorted(sample, key=lambda each: each.begin_ms):
            compared += exchanges_in(connection, period)
            differences += compare_period(connection, period)
    for difference in islice(differences, _MAX_SHOWN):
        period = difference.period
        group = "" if difference.group is None else f" of group {difference.group}"
        print_lines(
            f"{moment_of(period.begin_ms)} to {moment_of(period.end_ms)}: {difference.kind.value}s,"
            f" {difference.figure}{group}: {difference.in_rollups} in the sums,"
            f" {difference.in_records} in the records"
        )
    if len(differences) > _MAX_SHOWN:
        print_lines(f"... and {one_or_many(len(differences) - _MAX_SHOWN, 'more difference')}")
    print_lines(
        f"Compared all days, and {len(sample):,} of {one_or_many(len(periods), 'time bucket')} in"
        f" full ({one_or_many(compared, 'exchange')}):"
        f" {one_or_many(len(differences), 'difference') if differences else 'no difference'}."
    )
    if differences:
        print_to_stderr("holdover: `holdover traffic rebuild` makes the sums from the records")
        raise typer.Exit(1)
