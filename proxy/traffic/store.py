"""
Where evidence is kept: SQLite on this machine, or a PostgreSQL that a fleet shares.

What is added twice is there once. Only `proxy.traffic` touches a database.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from sqlalchemy import URL, Connection, Engine, Table, create_engine
from sqlalchemy.dialects import postgresql, sqlite

from proxy.traffic.address import checked_url, file_of
from proxy.traffic.content import Content
from proxy.traffic.problems import StoreProblem
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.rows import Row, row_of_exchange, row_of_shadow, rows_of_content
from proxy.traffic.schema import bodies, exchanges, metadata, shadows

Entry: TypeAlias = TrafficRecord | ShadowRecord | Content


class Store:
    """An open store; `engine` is for those in this package who read it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str, *, read_only: bool = False) -> Store:
        """See `open_store`."""
        del read_only
        try:
            checked = checked_url(url)
        except ValueError as exc:
            raise StoreProblem(str(exc)) from exc
        file = file_of(checked)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = create_engine(
            checked if file is None else URL.create("sqlite", database=str(file))
        )
        metadata.create_all(engine)
        return cls(engine)

    def add(self, entries: Iterable[Entry]) -> None:
        """Add all of them, or, with an error of SQLAlchemy's, none; twice is once."""
        rows: dict[Table, list[Row]] = {exchanges: [], shadows: [], bodies: []}
        for entry in entries:
            match entry:
                case TrafficRecord():
                    rows[exchanges].append(row_of_exchange(entry))
                case ShadowRecord():
                    rows[shadows].append(row_of_shadow(entry))
                case Content():
                    rows[bodies].extend(rows_of_content(entry))
        with self.engine.begin() as connection:
            for table, given in rows.items():
                if given:
                    _insert_new(connection, table, given)

    def close(self) -> None:
        """Let go of it."""
        self.engine.dispose()


def _insert_new(connection: Connection, table: Table, rows: list[Row]) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)
