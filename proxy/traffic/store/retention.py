"""
What is too old or too much is let go of, a little at a time.

Oldest first, some hundred rows in a transaction, found by the index on their
time: whoever wants to write waits for a moment at most. If it is about size,
what was said goes before who said it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Table, delete, func, select

from proxy.traffic.store.disk_usage import give_back_space, size_of
from proxy.traffic.store.schema import bodies, exchanges, replays, shadows
from proxy.traffic.store.store import Store

_ROUNDS: Final = 10
_ROWS: Final = 500
_BODIES: Final = 100
"""They are larger, and so is what is written to be rid of them."""
_DAY_MS: Final = 86_400_000

_TIMES: Final[dict[Table, Column[int]]] = {
    bodies: bodies.c.received_ms,
    shadows: shadows.c.ended_ms,
    exchanges: exchanges.c.received_ms,
    replays: replays.c.done_ms,
}
"""In the order in which they go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows are gone, and whether that is all for now."""

    bodies: int = 0
    shadows: int = 0
    exchanges: int = 0
    replays: int = 0
    is_done: bool = True


def believable_ms(now_ms: int, *, began_ms: int, elapsed_ms: int) -> int:
    """
    What to prune by: a clock may be set forwards by years, and what is deleted stays so.

    It is believed at the start, `began_ms`, and from then on as far as time has
    passed by a clock that nobody sets. So what a wrong clock says at the start
    is done; and one that is put right, or a machine that has slept, is not
    caught up with before the next start, which only keeps things longer.
    """
    return min(now_ms, began_ms + elapsed_ms)


def prune(store: Store, *, now_ms: int, days: int, max_bytes: int) -> Pruned:
    """Do a bounded part of what there is to do; 0 days, or bytes, are no bound."""
    counts = dict.fromkeys(_TIMES, 0)
    rounds = _rounds(store, now_ms - days * _DAY_MS if days else None, max_bytes)
    is_done = True
    for done, (table, count) in enumerate(rounds, start=1):
        counts[table] += count
        if done == _ROUNDS:
            is_done = False
            break
    with store.writing() as connection:
        gave_back = give_back_space(connection)
    by_name = {table.name: count for table, count in counts.items()}
    return Pruned(**by_name, is_done=is_done and not gave_back)


def _rounds(store: Store, before_ms: int | None, max_bytes: int) -> Iterator[tuple[Table, int]]:
    """One small transaction after the other, until nothing has to go."""
    if before_ms is not None:
        for table in _TIMES:
            while count := _delete_oldest(store, table, before_ms):
                yield table, count
    while max_bytes and size_of(store.engine, at_least=max_bytes) > max_bytes:
        first = _first_to_go(store)
        if first is None:
            return
        yield first, _delete_oldest(store, first, None)


def _first_to_go(store: Store) -> Table | None:
    """What was said, whatever its age; then what is oldest."""
    with store.engine.connect() as connection:
        oldest = {
            table: connection.execute(select(func.min(time))).scalar()
            for table, time in _TIMES.items()
        }
    there = {table: time for table, time in oldest.items() if time is not None}
    return bodies if bodies in there else min(there, key=there.__getitem__, default=None)


def _delete_oldest(store: Store, table: Table, before_ms: int | None) -> int:
    """Some of them; what came within one millisecond goes together."""
    time = _TIMES[table]
    oldest = select(time).order_by(time).limit(_BODIES if table is bodies else _ROWS)
    if before_ms is not None:
        oldest = oldest.where(time < before_ms)
    with store.writing() as connection:
        until = connection.execute(select(func.max(oldest.subquery().c[0]))).scalar()
        if until is None:
            return 0
        return connection.execute(delete(table).where(time <= until)).rowcount
