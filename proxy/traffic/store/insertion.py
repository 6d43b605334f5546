"""
Insert many rows at once, and say what becomes of a row whose key is there.

SQLAlchemy copies and looks at each value of each row, which takes as long as to store it. So
SQLite gets the rows as they are, and PostgreSQL all of them as one parameter in JSON, which it
unpacks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Float,
    Insert,
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
