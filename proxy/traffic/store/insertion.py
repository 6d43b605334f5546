"""
Insert rows, and say what happens to a row that is there.

PostgreSQL gets all rows as one parameter in JSON, which it unpacks in a fraction of the time that
it takes to send each value by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from sqlalchemy import (
    JSON,
    Connection,
    CursorResult,
    String,
    Table,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import NULLTYPE

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.sql.dml import ReturningInsert

    Insert: TypeAlias = sqlite.Insert | postgresql.Insert


def insert_into(connection: Connection, table: Table) -> Insert:
    """Return the engine's own INSERT, which can say what happens to a row that is there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - most stores are files

    return postgresql.insert(table)


def insert_rows(
    connection: Connection,
    insertion: Insert | ReturningInsert[Any],
    table: Table,
    rows: Sequence[Mapping[str, Any]],
) -> CursorResult[Any]:
    """Insert some rows, all with the same columns."""
    if connection.dialect.name == "sqlite":
        return connection.execute(insertion, rows)
    names = list(rows[0])
    text = msgspec.json.encode([_spelled(row) for row in rows]).decode()
    row_type = literal_column(f"NULL::{table.name}", NULLTYPE)
    unpacked = func.json_populate_recordset(row_type, cast(literal(text, String), JSON))
    given = select(unpacked.table_valued(*names))
    return connection.execute(insertion.from_select(names, given))


def _spelled(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row with the values that JSON cannot express as PostgreSQL spells them."""
    spelled: dict[str, str] = {}
    for name, value in row.items():
        kind = type(value)
        if kind is bytes:
            spelled[name] = rf"\x{value.hex()}"
        elif kind is float and not isfinite(value):
            spelled[name] = str(value)
    return {**row, **spelled} if spelled else row
