"""
Keeps the store small: deletes what is too old or too much, and compacts rollups, in small steps.

There are three layers: bodies, records, and rollups, each kept at least as long as the one
before. A transaction deletes at most a few hundred rows, oldest first, found by the index on
their time, so that other writers wait for a moment at most. If the store is too large, it loses
bodies first, then records, and rollups last.

On PostgreSQL, records and bodies of whole days are dropped once all of the day is too old.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Table, delete, func, select

from proxy.timestamps import DAY_MS
from proxy.traffic.store.disk_usage import give_back_space, size_of
from proxy.traffic.store.errors import BusyStoreError
from proxy.traffic.store.partitions import (
    PARTITIONED,
    Partition,
    drop,
    lock_to_drop,
    partitions_of,
)
from proxy.traffic.store.rollups.build import may_delete_records, note_pruned
from proxy.traffic.store.rollups.compact import compact_step
from proxy.traffic.store.rollups.ledger import note_expired
from proxy.traffic.store.rollups.sums import STEPS_MS, Kind
from proxy.traffic.store.rollups.write import lock_rollups
from proxy.traffic.store.schema import (
    bodies,
    exchanges,
    replays,
    rollup_groups,
    rollups,
    shadows,
)
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_index.blocks import delete_blocks, outlived_blocks

_MAX_STEPS: Final = 10
_ROWS_PER_STEP: Final = 500
_BODIES_PER_STEP: Final = 100
"""Bodies per transaction: fewer, because they are larger and take longer to delete."""

_TIMES: Final[dict[Table, Column[int]]] = {
    bodies: bodies.c.received_ms,
    shadows: shadows.c.ended_ms,
    exchanges: exchanges.c.received_ms,
    replays: replays.c.done_ms,
    rollups: rollups.c.begin_ms,
}
"""The time of each table's rows; old rows are deleted table by table in this order."""
_RECORDS: Final = (shadows, exchanges, replays)
_DAYS: Final = "days"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Days that each layer is kept; 0 means for ever."""

    content_days: int = 0
    days: int = 0
    rollup_days: int = 0

    def days_of(self, table: Table) -> int:
        """Return the days for a table: no layer is kept shorter than the one that it sums up."""
        if table is bodies:
            return min(filter(None, (self.content_days, self.days)), default=0)
        if table is rollups:
            # A day more, because a time bucket may be a day long.
            return self.days and self.rollup_days and max(self.days, self.rollup_days) + 1
        return self.days


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Numbers of deleted rows; `is_done` is False if there is more to delete."""

    bodies: int = 0
    shadows: int = 0
    exchanges: int = 0
    replays: int = 0
    rollups: int = 0
    days: int = 0
    """Days of records or bodies that were dropped as a whole, whose rows are not counted."""
    is_done: bool = True


def believable_ms(now_ms: int, *, began_ms: int, elapsed_ms: int) -> int:
    """
    Return the time to prune by, which cannot jump forwards with the wall clock.

    A clock that is set forwards by years would delete everything. So the wall clock counts
    only at the start (`began_ms`); later it may be ahead by no more than `elapsed_ms` of the
    monotonic clock. If the wall clock was wrong at the start, rows may still be deleted too
    early; if it is corrected later or the machine sleeps, rows are only kept longer.
    """
    return min(now_ms, began_ms + elapsed_ms)


def compact(store: Store, *, now_ms: int, most_steps: int) -> bool:
    """Compact old rollups, a bounded number of buckets; return True if none are left."""
    for _ in range(most_steps):
        with store.writing() as connection:
            if not compact_step(connection, now_ms):
                return True
    return False


def prune(store: Store, *, now_ms: int, retention: Retention, max_bytes: int) -> Pruned:
    """Delete a bounded number of rows; 0 bytes mean no limit on the size."""
    counts = Counter[str]()
    before = {
        table: now_ms - days * DAY_MS for table in _TIMES if (days := retention.days_of(table))
    }
    rounds = _rounds(store, before, max_bytes, now_ms)
    is_done = True
    for done, (what, count) in enumerate(rounds, start=1):
        counts[what] += count
        if done == _MAX_STEPS:
            is_done = False
            break
    if counts[rollups.name]:
        _delete_unused_groups(store)
    with store.writing() as connection:
        gave_back = give_back_space(connection)
    return Pruned(**counts, is_done=is_done and not gave_back)


def _rounds(
    store: Store, before_ms: Mapping[Table, int], max_bytes: int, now_ms: int
) -> Iterator[tuple[str, int]]:
    """Delete in small transactions until both limits are met; yield what, and how many of it."""
    for table, before in before_ms.items():
        yield from _expire(store, table, before)
    _delete_outlived_blocks(store)
    while max_bytes and size_of(store.engine, at_least=max_bytes, now_ms=now_ms) > max_bytes:
        with store.engine.connect() as connection:
            oldest = {
                table: connection.execute(select(func.min(time))).scalar()
                for table, time in _TIMES.items()
            }
        filled = {table: time for table, time in oldest.items() if time is not None}
        if not filled:
            return
        # Bodies first, then the table of records with the oldest row.
        records = [table for table in _RECORDS if table in filled]
        oldest_records = min(records, key=filled.__getitem__) if records else rollups
        shrinkable = bodies if bodies in filled else oldest_records
        yield _shrink(store, shrinkable, filled[shrinkable], now_ms)
        _delete_outlived_blocks(store)


def _expire(store: Store, table: Table, before_ms: int) -> Iterator[tuple[str, int]]:
    """Delete rows of before a time: whole days, if the table has partitions."""
    partitions = _partitions(store, table)
    for partition in partitions:
        if partition.end_ms <= before_ms and _drop(store, table, partition):
            yield _DAYS, 1
    without_begin = [each.end_ms for each in partitions if each.begin_ms is None]
    if partitions and not without_begin:
        return
    while count := _delete_oldest(store, table, min([before_ms, *without_begin])):
        yield table.name, count


def _shrink(store: Store, table: Table, oldest_ms: int, now_ms: int) -> tuple[str, int]:
    """Delete the oldest day of a table, or the oldest rows if that day is of late."""
    for partition in _partitions(store, table):
        if partition.shrinks_as_a_whole(now_ms) and partition.contains(oldest_ms):
            return _DAYS, int(_drop(store, table, partition))
    return table.name, _delete_oldest(store, table, None)


def _partitions(store: Store, table: Table) -> list[Partition]:
    with store.engine.connect() as connection:
        return partitions_of(connection, table) if table in PARTITIONED else []


def _drop(store: Store, table: Table, partition: Partition) -> bool:
    """Drop a partition, unless rollups are being built or somebody reads the table for long."""
    with suppress(BusyStoreError), store.writing() as connection:
        lock_to_drop(connection, table)
        if may_delete_records(connection):
            if table is exchanges:
                note_pruned(connection, partition.end_ms - 1)
            drop(connection, partition)
            return True
    return False


def _delete_oldest(store: Store, table: Table, before_ms: int | None) -> int:
    """
    Delete one step of rows and return their number; equal times are deleted together.

    While rollups are being built, no records are deleted.
    """
    time = _TIMES[table]
    oldest = (
        select(time).order_by(time).limit(_BODIES_PER_STEP if table is bodies else _ROWS_PER_STEP)
    )
    # Every value is named, so that the engine finds the oldest rollups in the primary key.
    named = (
        (rollups.c.kind.in_([*Kind]), rollups.c.step_ms.in_(STEPS_MS)) if table is rollups else ()
    )
    if before_ms is not None:
        oldest = oldest.where(time < before_ms)
    with store.writing() as connection:
        if table is rollups:
            lock_rollups(connection)
        elif not may_delete_records(connection):
            return 0
        until = connection.execute(select(func.max(oldest.where(*named).subquery().c[0]))).scalar()
        if until is None:
            return 0
        if table is exchanges:
            note_pruned(connection, until)
        count = connection.execute(delete(table).where(time <= until, *named)).rowcount
        if table is rollups:
            note_expired(connection, until)
        return count


def _delete_outlived_blocks(store: Store) -> None:
    """Delete what the text index has of times whose bodies, or records, are deleted."""
    with store.engine.connect() as connection:
        outlived = outlived_blocks(connection)
    if outlived:
        with store.writing() as connection:
            lock_rollups(connection)
            delete_blocks(connection, outlived)


def _delete_unused_groups(store: Store) -> None:
    """Delete descriptions of groups that are in no rollup any more, a step of them."""
    key, used = rollup_groups.c.key, select(rollups.c.key)
    with store.engine.connect() as connection:
        unused = connection.execute(select(key).where(key.not_in(used)).limit(_ROWS_PER_STEP))
        keys = list(unused.scalars())
    if keys:
        with store.writing() as connection:
            lock_rollups(connection)
            # Another loader may have used one meanwhile.
            again = used.where(rollups.c.key.in_(keys))
            connection.execute(delete(rollup_groups).where(key.in_(keys), key.not_in(again)))
