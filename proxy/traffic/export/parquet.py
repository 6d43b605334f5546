"""
Parquet files, whose columns are the fields of the record types.

Times are timestamps. What has no fixed fields, the comparison of a shadow, is a text of JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import inspect

from proxy.traffic.export.rows import Row
from proxy.traffic.store.days import RecordKind

SUFFIX: Final = ".parquet"
_ROW_GROUP: Final = 50_000
"""Rows that are in memory at a time: some 30 MB."""
_TIMES: Final = frozenset({"received", "ended"})
_TYPES: Final[dict[type[inspect.Type], Any]] = {
    inspect.BoolType: pa.bool_(),
    inspect.IntType: pa.int64(),
    inspect.FloatType: pa.float64(),
    inspect.StrType: pa.string(),
    inspect.EnumType: pa.string(),
    inspect.DictType: pa.string(),
}


def schema_of(kind: RecordKind) -> pa.Schema:
    """Return the columns of a kind of records."""
    return pa.schema(_fields_of(inspect.type_info(kind.record_type)))


def write_file(file: IO[bytes], kind: RecordKind, pages: Iterable[list[Row]]) -> None:
    """Write the rows of all pages to a file."""
    schema = schema_of(kind)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        group: list[Any] = []
        for page in pages:
            rows = [{name: _cell(name, value) for name, value in row.items()} for row in page]
            group.append(pa.RecordBatch.from_pylist(rows, schema=schema))
            if sum(batch.num_rows for batch in group) >= _ROW_GROUP:
                writer.write_table(pa.Table.from_batches(group))
                group = []
        if group:
            writer.write_table(pa.Table.from_batches(group))


def rows_in(path: Path) -> int:
    """Return the number of rows of a file; 0 if it is damaged or not there."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid):
        return 0


def _fields_of(kind: Any) -> list[Any]:
    return [
        pa.field(
            field.name,
            pa.timestamp("ms", tz="UTC") if field.name in _TIMES else _type_of(field.type),
            nullable=isinstance(field.type, inspect.UnionType),
        )
        for field in kind.fields
    ]


def _type_of(kind: inspect.Type) -> Any:
    match kind:
        case inspect.UnionType(types=types):
            return _type_of(next(each for each in types if not isinstance(each, inspect.NoneType)))
        case inspect.VarTupleType(item_type=item):
            return pa.list_(pa.field("element", _type_of(item), nullable=False))
        case inspect.StructType():
            return pa.struct(_fields_of(kind))
        case _:
            return _TYPES[type(kind)]


def _cell(name: str, value: object) -> object:
    if name in _TIMES:
        return datetime.fromisoformat(str(value))
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value
