"""
The store of recorded traffic: SQLite on this machine, or a PostgreSQL database shared by a fleet.

Adding an entry twice stores it once. Only `proxy.traffic` touches a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Final, TypeAlias

from sqlalchemy import Connection, Engine, Table, event

from proxy.timestamps import DAY_MS
from proxy.traffic.content import Content
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.connect import open_postgresql, open_sqlite
from proxy.traffic.store.database.engines import BEGINS
from proxy.traffic.store.database.url import checked_url, file_of
from proxy.traffic.store.errors import MissingDayError, StoreError, UnacceptableEntry
from proxy.traffic.store.insertion import Insertion, insert_if_all_are_new, insert_rows
from proxy.traffic.store.partitions import PARTITIONED, make_days
from proxy.traffic.store.rollups.write import NewRows, count_new_rows
from proxy.traffic.store.row_mapping import Row, row_of_exchange, row_of_shadow, rows_of_content
from proxy.traffic.store.schema import bodies, exchanges, shadows
from proxy.traffic.store.text_index.blocks import note_late

Entry: TypeAlias = TrafficRecord | ShadowRecord | Content

_SQLITE_BATCH: Final = 250
"""About 15 ms, in which no other process can write to the file."""
_POSTGRESQL_BATCH: Final = 1_000
"""About 50 ms, in the second half of which other loaders wait for the rollups."""
_SET_STATEMENT_TIMEOUT: Final = "SET LOCAL statement_timeout = '60s'"
"""A statement that waits for another session's lock fails with an error instead of hanging."""

_KEYS: Final = {
    exchanges: (exchanges.c.id,),
    shadows: tuple(shadows.primary_key),
    bodies: tuple(bodies.primary_key),
}
"""The columns of each table whose values no two of its rows share."""


class Store:
    """An open store; only modules of this package use its `engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._days: set[int] = set()
        """Days since the epoch that have had a partition; see `partitions`."""

    @classmethod
    def open(cls, url: str, *, read_only: bool = False, patience: float | None = None) -> Store:
        """Open the store at a URL; see `open_store`."""
        try:
            url = checked_url(url)
        except ValueError as exc:
            raise StoreError(f"the URL of the store is not valid: {exc}") from exc
        file = file_of(url)
        if file is not None:
            return cls(open_sqlite(file, read_only=read_only, patience=patience))
        return cls(open_postgresql(url, read_only=read_only, patience=patience))

    @property
    def batch_entries(self) -> int:
        """Entries that one transaction should add: more at once take less time each."""
        return _SQLITE_BATCH if self.engine.dialect.name == "sqlite" else _POSTGRESQL_BATCH

    def add(self, entries: Iterable[Entry]) -> int:
        """
        Add all entries or none, with their rollups, and return the number of new rows.

        Entries that are already stored are skipped. Raises `UnacceptableEntry` if one of the
        entries cannot be stored, else `StoreError`.
        """
        rows: dict[Table, list[Row]] = {exchanges: [], shadows: [], bodies: []}
        try:
            for entry in entries:
                match entry:
                    case TrafficRecord():
                        rows[exchanges].append(row_of_exchange(entry))
                    case ShadowRecord():
                        rows[shadows].append(row_of_shadow(entry))
                    case _:
                        rows[bodies].extend(rows_of_content(entry))
        except ValueError as exc:  # an invalid time, for example, written by another version
            raise UnacceptableEntry(str(exc)) from exc
        days = {row["received_ms"] // DAY_MS for table in PARTITIONED for row in rows[table]}
        self._make_days(days - self._days)
        try:
            return self._insert(rows)
        except MissingDayError:  # it was dropped since
            self._make_days(days)
            return self._insert(rows)

    def _make_days(self, days: AbstractSet[int]) -> None:
        if days:
            with self.writing() as connection:
                make_days(connection, days)
            self._days |= days

    def _insert(self, rows: Mapping[Table, list[Row]]) -> int:
        with self.writing() as connection:
            new = {table: _insert_new(connection, table, given) for table, given in rows.items()}
            added = sum(map(len, new.values()))
            if added:
                rows_added = NewRows(new[exchanges], new[shadows], new[bodies])
                count_new_rows(connection, rows_added)
                note_late(connection, rows_added)
            return added

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees the store as it was at its first query."""
        level = {"isolation_level": "REPEATABLE READ"}
        options = level if self.engine.dialect.name == "postgresql" else {}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a write transaction; on SQLite no other connection can write until it ends."""
        with self.engine.connect() as connection:
            connection.execution_options(**{BEGINS: "IMMEDIATE"})
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(_SET_STATEMENT_TIMEOUT)
                yield connection

    def limit_queries(self, seconds: float, *, waiting: float) -> None:
        """Let PostgreSQL end each query that takes longer, or waits for a lock for so long."""
        if self.engine.dialect.name != "postgresql":
            return

        @event.listens_for(self.engine, "begin")
        def _limit(connection: Connection) -> None:
            for name, limit in (("statement_timeout", seconds), ("lock_timeout", waiting)):
                connection.exec_driver_sql(f"SET LOCAL {name} = '{round(limit * 1000)}ms'")

    def close(self) -> None:
        """Close all connections to the database."""
        self.engine.dispose()


def _insert_new(connection: Connection, table: Table, rows: list[Row]) -> list[Row]:
    """Insert the rows that are not there yet, and return those."""
    if not rows:
        return []
    with connection.begin_nested() as savepoint:
        if insert_if_all_are_new(connection, table, rows):
            return rows
        savepoint.rollback()
    # Some are there, which is rare: a loader was killed, or another one has loaded them.
    if connection.dialect.name == "sqlite":
        return [row for row in rows if insert_rows(connection, Insertion(table), [row]).rowcount]
    key = _KEYS[table]
    new = insert_rows(connection, Insertion(table, returned=key), rows).all()
    # The first of rows with the same key.
    by_key = {tuple(row[column.name] for column in key): row for row in reversed(rows)}
    return [by_key[tuple(each)] for each in new]
