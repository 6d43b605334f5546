"""
Deletes rows that are too old, or too many for the size limit, in small steps.

A transaction deletes at most a few hundred rows, oldest first, found by the index on their
time, so that other writers wait for a moment at most. If the store is too large, bodies are
deleted before records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Table, delete, func, select

from proxy.traffic.store.disk_usage import give_back_space, size_of
from proxy.traffic.store.schema import bodies, exchanges, replays, shadows
from proxy.traffic.store.store import Store

_MAX_STEPS: Final = 10
_ROWS_PER_STEP: Final = 500
_BODIES_PER_STEP: Final = 100
"""Bodies per transaction: fewer, because they are larger and take longer to delete."""
_DAY_MS: Final = 86_400_000

_TIMES: Final[dict[Table, Column[int]]] = {
    bodies: bodies.c.received_ms,
    shadows: shadows.c.ended_ms,
    exchanges: exchanges.c.received_ms,
    replays: replays.c.done_ms,
}
"""The time of each table's rows; old rows are deleted table by table in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Numbers of deleted rows; `is_done` is False if there is more to delete."""

    bodies: int = 0
    shadows: int = 0
    exchanges: int = 0
    replays: int = 0
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


def prune(store: Store, *, now_ms: int, days: int, max_bytes: int) -> Pruned:
    """Delete a bounded number of rows; 0 days or bytes mean no limit on age or size."""
    counts = dict.fromkeys(_TIMES, 0)
    rounds = _rounds(store, now_ms - days * _DAY_MS if days else None, max_bytes)
    is_done = True
    for done, (table, count) in enumerate(rounds, start=1):
        counts[table] += count
        if done == _MAX_STEPS:
            is_done = False
            break
    with store.writing() as connection:
        gave_back = give_back_space(connection)
    by_name = {table.name: count for table, count in counts.items()}
    return Pruned(**by_name, is_done=is_done and not gave_back)


def _rounds(store: Store, before_ms: int | None, max_bytes: int) -> Iterator[tuple[Table, int]]:
    """Delete in small transactions until both limits are met; yield table and row count."""
    if before_ms is not None:
        for table in _TIMES:
            while count := _delete_oldest(store, table, before_ms):
                yield table, count
    while max_bytes and size_of(store.engine, at_least=max_bytes) > max_bytes:
        with store.engine.connect() as connection:
            oldest = {
                table: connection.execute(select(func.min(time))).scalar()
                for table, time in _TIMES.items()
            }
        filled = {table: time for table, time in oldest.items() if time is not None}
        if not filled:
            return
        # Bodies first, then the table with the oldest row.
        shrinkable = bodies if bodies in filled else min(filled, key=filled.__getitem__)
        yield shrinkable, _delete_oldest(store, shrinkable, None)


def _delete_oldest(store: Store, table: Table, before_ms: int | None) -> int:
    """Delete one step of rows and return their number; equal times are deleted together."""
    time = _TIMES[table]
    oldest = (
        select(time).order_by(time).limit(_BODIES_PER_STEP if table is bodies else _ROWS_PER_STEP)
    )
    if before_ms is not None:
        oldest = oldest.where(time < before_ms)
    with store.writing() as connection:
        until = connection.execute(select(func.max(oldest.subquery().c[0]))).scalar()
        if until is None:
            return 0
        return connection.execute(delete(table).where(time <= until)).rowcount
