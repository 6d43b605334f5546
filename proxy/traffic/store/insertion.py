"""
Insert many rows at once, and say what becomes of a row whose key is there.

SQLAlchemy copies and looks at each value of each row, which takes as long as to store it. So
SQLite gets the rows as they are, and PostgreSQL all of them as one parameter in JSON, which it
unpacks. Rows that are most likely all new are copied into PostgreSQL, which takes half as long but
cannot leave one out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from operator import itemgetter
from typing import Any, Final

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Dialect,
    Float,
    Insert,
    Integer,
    LargeBinary,
    String,
    Table,
    any_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import NULLTYPE

_SMALL: Final = 2**31
"""Limit on an integer of four bytes."""


@dataclass(frozen=True, slots=True)
class Insertion:
    """Where rows go, and what becomes of one whose key is there."""

    table: Table
    replaced: tuple[str, ...] = ()
    """Columns whose values the new row replaces; if there are none, it is left out."""
    returned: tuple[Column[Any], ...] = ()
    """Columns that PostgreSQL returns of the rows that are new."""


def insert_rows(
    connection: Connection, insertion: Insertion, rows: Sequence[Mapping[str, Any]]
) -> CursorResult[Any]:
    """Insert some rows, all with the same columns, of which there are two or more."""
    names = tuple(rows[0])
    if connection.dialect.name == "sqlite":
        text, values_of = _sqlite_insertion(insertion, names)
        return connection.exec_driver_sql(text, [values_of(row) for row in rows])
    unspoken = _unspoken(insertion.table)
    text = msgspec.json.encode([_spelled(row, unspoken) for row in rows]).decode()
    return connection.execute(_postgresql_insertion(insertion, names), {"rows": text})


def insert_if_all_are_new(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> bool:
    """
    Insert some rows, all with the same columns, if none of them is there.

    If it returns False, the savepoint in which it was called has to be rolled back.
    """
    if connection.dialect.name == "sqlite":
        return insert_rows(connection, Insertion(table), rows).rowcount == len(rows)
    if not _are_copied_whole(table, rows):
        return False
    names = tuple(rows[0])
    text, types = _copy_statement(table, names)
    values_of = itemgetter(*names)
    cursor: Any = connection.connection.cursor()  # psycopg's, which can do what SQLAlchemy cannot
    try:
        with cursor.copy(text) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(values_of(row))
    except Exception:  # noqa: BLE001 - why it failed, the insertion of one of the rows will say
        return False
    return True


@cache
def _copy_statement(table: Table, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the statement that copies these columns, and their types as the driver calls them."""
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - most stores are files

    dialect: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    columns = ", ".join(map(dialect.identifier_preparer.quote, names))
    types = (table.c[name].type.compile(dialect).lower() for name in names)
    return (
        f"COPY {table.name} ({columns}) FROM STDIN (FORMAT BINARY)",
        tuple("float8" if name == "float" else name for name in types),
    )


def _are_copied_whole(table: Table, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return False if an integer is too large for its column: the driver would cut it off."""
    return all(
        -_SMALL <= (row[name] or 0) < _SMALL for name in _small_integers(table) for row in rows
    )


@cache
def _small_integers(table: Table) -> tuple[str, ...]:
    """Return the columns of a table that have four bytes for an integer."""
    return tuple(column.name for column in table.columns if type(column.type) is Integer)


@cache
def _sqlite_insertion(
    insertion: Insertion, names: tuple[str, ...]
) -> tuple[str, Callable[[Mapping[str, Any]], Sequence[Any]]]:
    """Return an insertion of these columns as SQL, and what takes its values out of a row."""
    statement = _insert_or(sqlite.insert(insertion.table), insertion)
    compiled = statement.compile(dialect=sqlite.dialect(), column_keys=names)
    return str(compiled), itemgetter(*compiled.positiontup)


@cache
def _postgresql_insertion(insertion: Insertion, names: tuple[str, ...]) -> Insert:
    """Return an insertion of these columns of all rows in the parameter `rows`, which is JSON."""
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - most stores are files

    statement = _insert_or(postgresql.insert(insertion.table), insertion)
    row_type = literal_column(f"NULL::{insertion.table.name}", NULLTYPE)
    rows = cast(bindparam("rows", type_=String), JSON)
    unpacked = func.json_populate_recordset(row_type, rows)
    inserted: Insert = statement.from_select(names, select(unpacked.table_valued(*names)))
    return inserted.returning(*insertion.returned) if insertion.returned else inserted


def _insert_or(statement: Any, insertion: Insertion) -> Any:
    """Add to an INSERT what becomes of a row whose key is there."""
    if not insertion.replaced:
        return statement.on_conflict_do_nothing()
    return statement.on_conflict_do_update(
        index_elements=insertion.table.primary_key,
        set_={name: statement.excluded[name] for name in insertion.replaced},
    )


@cache
def _unspoken(table: Table) -> tuple[str, ...]:
    """Return the columns of a table that may have values which JSON cannot express."""
    return tuple(
        column.name for column in table.columns if isinstance(column.type, Float | LargeBinary)
    )


def _spelled(row: Mapping[str, Any], unspoken: Sequence[str]) -> Mapping[str, Any]:
    """Return a row with the values that JSON cannot express as PostgreSQL spells them."""
    spelled: dict[str, str] = {}
    for name in unspoken:
        value = row.get(name)
        if isinstance(value, bytes):
            spelled[name] = rf"\x{value.hex()}"
        elif isinstance(value, float) and not isfinite(value):
            spelled[name] = str(value)
    return {**row, **spelled} if spelled else row


def is_any_of(
    connection: Connection, column: Column[str], values: Collection[str]
) -> ColumnElement[bool]:
    """Match some values: PostgreSQL gets them as one parameter, however many there are."""
    if connection.dialect.name == "sqlite":
        return column.in_(values)
    from sqlalchemy.dialects.postgresql import ARRAY  # noqa: PLC0415 - most stores are files

    return column == any_(literal(list(values), ARRAY(String)))
