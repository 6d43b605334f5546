"""
Days of records and bodies on PostgreSQL: each is a partition, which is dropped as a whole.

A day is made before its first row is stored, whichever day that is. The rows that a store had
before it was divided are in one partition without a beginning. SQLite has no partitions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Table, text

from proxy.timestamps import DAY_MS
from proxy.traffic.store.row_mapping import moment_of
from proxy.traffic.store.schema import bodies, exchanges

PARTITIONED: Final = (exchanges, bodies)
"""The tables that are divided, in the order in which every transaction locks them."""

_DAYS_AHEAD: Final = 3
_BOUNDS: Final = re.compile(r"FROM \((?:MINVALUE|'(-?\d+)')\) TO \('(-?\d+)'\)")
_PARTITIONS: Final = text(
    "SELECT relname, pg_get_expr(relpartbound, pg_class.oid)"
    " FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
    " WHERE inhparent = to_regclass(:name)"
)
_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '500ms'"
"""Limit on the wait for a lock that drops a day, because readers and writers wait behind it."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a table, from `begin_ms` until just before `end_ms`."""

    name: str
    begin_ms: int | None
    """The first time that belongs to the partition; None if it takes all times before its end."""
    end_ms: int

    def contains(self, time_ms: int) -> bool:
        """Return True if rows of this time are in the partition."""
        return (self.begin_ms is None or self.begin_ms <= time_ms) and time_ms < self.end_ms

    def shrinks_as_a_whole(self, now_ms: int) -> bool:
        """
        Return True if a store that is too large loses this day as a whole.

        Of today and yesterday rows are deleted one by one: a store that has room for less than a
        day would otherwise lose all but the last minutes at midnight.
        """
        return self.begin_ms is not None and self.end_ms + DAY_MS <= now_ms


def partitions_of(connection: Connection, table: Table) -> list[Partition]:
    """Return the partitions of a table, oldest first; none if it is not divided."""
    if connection.dialect.name == "sqlite":
        return []
    found = [
        Partition(name, None if match[1] is None else int(match[1]), int(match[2]))
        for name, bounds in connection.execute(_PARTITIONS, {"name": table.name})
        if (match := _BOUNDS.search(bounds))
    ]
    return sorted(found, key=lambda partition: partition.end_ms)


def make_days(connection: Connection, days: Collection[int]) -> None:
    """Make days, numbered since the epoch, that are not there; several processes may do so."""
    for table in PARTITIONED if connection.dialect.name == "postgresql" else ():
        if not _missing(connection, table, days):
            continue
        # Only one at a time makes days; those who read and write rows go on.
        mode = "SHARE UPDATE EXCLUSIVE"
        connection.exec_driver_sql(f"LOCK TABLE ONLY {table.name} IN {mode} MODE")
        for day in _missing(connection, table, days):
            name = f"{table.name}_{moment_of(day * DAY_MS)[:10].replace('-', '')}"
            # In two steps, because CREATE TABLE ... PARTITION OF would lock out readers.
            connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE {table.name})")
            connection.exec_driver_sql(
                f"ALTER TABLE {table.name} ATTACH PARTITION {name}"
                f" FOR VALUES FROM ({day * DAY_MS}) TO ({(day + 1) * DAY_MS})"
            )


def make_days_ahead(connection: Connection, now_ms: int) -> None:
    """Make today and the days to come, so that no record has to wait for its day."""
    today = now_ms // DAY_MS
    make_days(connection, range(today, today + _DAYS_AHEAD + 1))


def lock_to_drop(connection: Connection, table: Table) -> None:
    """Lock out all others from a table; raises `BusyStoreError` if somebody uses it for long."""
    connection.exec_driver_sql(_LOCK_TIMEOUT)
    connection.exec_driver_sql(f"LOCK TABLE ONLY {table.name} IN ACCESS EXCLUSIVE MODE")


def drop(connection: Connection, partition: Partition) -> None:
    """Drop a partition with its rows, if no other loader has; its table has to be locked."""
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {partition.name}")


def between(time: Column[int], rows: Sequence[Mapping[str, Any]]) -> ColumnElement[bool]:
    """Match the times of these exchanges and those between them, so that few days are searched."""
    times = [row["received_ms"] for row in rows]
    return time.between(min(times), max(times))


def _missing(connection: Connection, table: Table, days: Iterable[int]) -> list[int]:
    there = partitions_of(connection, table)
    return [day for day in days if not any(each.contains(day * DAY_MS) for each in there)]
