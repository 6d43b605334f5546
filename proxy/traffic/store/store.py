"""
The store of recorded traffic: SQLite on this machine, or a PostgreSQL database shared by a fleet.

Adding an entry twice stores it once. Only `proxy.traffic` touches a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite

from proxy.traffic.content import Content
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.connect import open_postgresql, open_sqlite
from proxy.traffic.store.engines import BEGINS
from proxy.traffic.store.errors import StoreError, UnacceptableEntry
from proxy.traffic.store.row_mapping import Row, row_of_exchange, row_of_shadow, rows_of_content
from proxy.traffic.store.schema import bodies, exchanges, shadows
from proxy.traffic.store.url import checked_url, file_of

Entry: TypeAlias = TrafficRecord | ShadowRecord | Content

_SET_STATEMENT_TIMEOUT: Final = "SET LOCAL statement_timeout = '60s'"
"""A statement that waits for another session's lock fails with an error instead of hanging."""


class Store:
    """An open store; only modules of this package use its `engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str, *, read_only: bool = False) -> Store:
        """Open the store at a URL; see `open_store`."""
        try:
            url = checked_url(url)
        except ValueError as exc:
            raise StoreError(f"the URL of the store is not valid: {exc}") from exc
        file = file_of(url)
        if file is not None:
            return cls(open_sqlite(file, read_only=read_only))
        return cls(open_postgresql(url, read_only=read_only))

    def add(self, entries: Iterable[Entry]) -> int:
        """
        Add all entries or none, and return the number of new rows.

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
        with self.writing() as connection:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            return sum(
                connection.execute(
                    dialect.insert(table).on_conflict_do_nothing(),
                    given,
                    execution_options={"preserve_rowcount": True},
                ).rowcount
                for table, given in rows.items()
                if given
            )

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a write transaction; on SQLite no other connection can write until it ends."""
        with self.engine.connect() as connection:
            connection.execution_options(**{BEGINS: "IMMEDIATE"})
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(_SET_STATEMENT_TIMEOUT)
                yield connection

    def close(self) -> None:
        """Close all connections to the database."""
        self.engine.dispose()
