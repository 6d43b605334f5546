"""
How much room a store takes, and giving back what it no longer needs.

Counted is what is in use. A database keeps the room of what was deleted, for
what comes; if that counted, there would be no end to deleting.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Engine, Table, func, select

from proxy.traffic.store.schema import metadata

_SPARE: Final = 10
"""A tenth of SQLite's pages may wait for what comes."""
_STEP_PAGES: Final = 1_000
_SAMPLE: Final = 200
_BESIDES: Final = 150
"""Bytes that PostgreSQL takes for a row beside what is in it: its head, its places in indices."""


def size_of(engine: Engine, *, at_least: int) -> int:
    """In bytes; on PostgreSQL an estimate, made only if the files are larger than `at_least`."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            pages, free, bytes_each = _pages(connection)
            return (pages - free) * bytes_each
        tables = metadata.sorted_tables
        sizes = (func.pg_total_relation_size(table.name) for table in tables)
        files = sum(connection.execute(select(*sizes)).one())
        if files <= at_least:
            return int(files)
        return sum(_estimate(connection, table) for table in tables)


def give_back_space(connection: Connection) -> bool:
    """Cut a step off SQLite's file, if there is much to spare; whether it did."""
    if connection.dialect.name != "sqlite":
        return False  # only VACUUM FULL could, and that locks everybody out
    before, free, _ = _pages(connection)
    for _ in range(min(free - before // _SPARE, _STEP_PAGES)):
        # Asked for more, Python's sqlite3 stops after the first, too.
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
    return _pages(connection)[0] < before


def _pages(connection: Connection) -> tuple[int, int, int]:
    pragmas = ("page_count", "freelist_count", "page_size")
    pages, free, size = (
        connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() for pragma in pragmas
    )
    return pages, free, size


def _estimate(connection: Connection, table: Table) -> int:
    """Rows, times what the last of them take, contents included."""
    last = select(table).order_by(*(column.desc() for column in table.primary_key)).limit(_SAMPLE)
    row = func.pg_column_size(last.subquery().table_valued())
    count = connection.execute(select(func.count()).select_from(table)).scalar_one()
    each = connection.execute(select(func.avg(row))).scalar() or 0
    return int(count * (_BESIDES + each))
