"""
Measures the size of a store and returns free pages to the file system.

Only space in use counts. A database keeps the space of deleted rows for new ones; if that
counted, deleting rows would never bring a store below its limit.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Engine, MetaData, Table, func, select

from proxy.traffic.store.partitions import PARTITIONED, partitions_of
from proxy.traffic.store.schema import metadata

_SPARE_DIVISOR: Final = 10
"""SQLite keeps a tenth of its pages free for new rows."""
_STEP_PAGES: Final = 1_000
_SAMPLE_ROWS: Final = 200
_ROW_OVERHEAD: Final = 150
"""Bytes that PostgreSQL needs for a row besides its values: header and index entries."""


def size_of(engine: Engine, *, at_least: int, now_ms: int = 0) -> int:
    """
    Return the bytes in use.

    On PostgreSQL this is the size of the files if they are no larger than `at_least`, else an
    estimate from a sample of rows; of days that only go as a whole, it is the size of their
    files in any case.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            pages, free, bytes_each = _pages(connection)
            return (pages - free) * bytes_each
        size = 0
        shrinking: list[tuple[Table, int]] = []
        for table in metadata.sorted_tables:
            partitions = partitions_of(connection, table) if table in PARTITIONED else []
            for partition in partitions:
                files = _size_of_files(connection, partition.name)
                if partition.shrinks_as_a_whole(now_ms):
                    size += files
                else:
                    alone = table.to_metadata(MetaData(), name=partition.name)
                    shrinking.append((alone, files))
            if not partitions:
                shrinking.append((table, _size_of_files(connection, table.name)))
        files = size + sum(each for _, each in shrinking)
        if files <= at_least:
            return files
        return size + sum(_estimate(connection, table) for table, _ in shrinking)


def _size_of_files(connection: Connection, name: str) -> int:
    return int(connection.execute(select(func.pg_total_relation_size(name))).scalar_one())


def give_back_space(connection: Connection) -> bool:
    """Shrink SQLite's file by one step if many pages are free; return True if it shrank."""
    if connection.dialect.name != "sqlite":
        return False  # only VACUUM FULL could, and it locks the tables
    before, free, _ = _pages(connection)
    for _ in range(min(free - before // _SPARE_DIVISOR, _STEP_PAGES)):
        # One page at a time: Python's sqlite3 stops after the first page anyway.
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
    return _pages(connection)[0] < before


def _pages(connection: Connection) -> tuple[int, int, int]:
    pragmas = ("page_count", "freelist_count", "page_size")
    pages, free, size = (
        connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() for pragma in pragmas
    )
    return pages, free, size


def _estimate(connection: Connection, table: Table) -> int:
    """Return the number of rows times the average size of the last ones."""
    last = (
        select(table).order_by(*(column.desc() for column in table.primary_key)).limit(_SAMPLE_ROWS)
    )
    row = func.pg_column_size(last.subquery().table_valued())
    count = connection.execute(select(func.count()).select_from(table)).scalar_one()
    each = connection.execute(select(func.avg(row))).scalar() or 0
    return int(count * (_ROW_OVERHEAD + each))
