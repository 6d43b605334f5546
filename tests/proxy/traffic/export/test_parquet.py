"""Columns of Parquet files follow from the record types, and row groups are bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.traffic import ShadowRecord, TrafficRecord
from proxy.traffic.store.days import KINDS
from tests.record_factory import record

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: uv sync --group lint")
pq = pytest.importorskip("pyarrow.parquet")
parquet = pytest.importorskip("proxy.traffic.export.parquet")

EXCHANGES, SHADOWS = KINDS


def test_columns_are_the_fields_of_the_records_with_their_types():
    exchanges, shadows = parquet.schema_of(EXCHANGES), parquet.schema_of(SHADOWS)

    assert tuple(exchanges.names) == TrafficRecord.__struct_fields__
    assert tuple(shadows.names) == ShadowRecord.__struct_fields__
    assert {str(field.type) for field in exchanges} == {
        "bool",
        "double",
        "int64",
        "list<element: string not null>",
        "list<element: struct<kind: string not null, field: string not null, asked: string not"
        " null, sent: string not null> not null>",
        "string",
        "timestamp[ms, tz=UTC]",
    }
    assert exchanges.field("received").type == shadows.field("ended").type
    assert (exchanges.field("status").type, exchanges.field("status").nullable) == (
        pa.int64(),
        True,
    )
    assert (exchanges.field("outcome").type, exchanges.field("outcome").nullable) == (
        pa.string(),
        False,
    )
    assert shadows.field("comparison").type == pa.string()


@pytest.mark.thorough
@pytest.mark.parametrize(("rest", "groups"), [(0, [50_000]), (1, [50_000, 1])])
def test_row_groups_have_at_most_so_many_rows_and_a_page(
    tmp_path: Path, rest: int, groups: list[int]
) -> None:
    row = record().as_fields()
    pages = [[row] * 1_000] * 50 + [[row] * rest] * rest
    with (tmp_path / "many.parquet").open("wb") as file:
        parquet.write_file(file, EXCHANGES, pages)
    written = pq.read_metadata(tmp_path / "many.parquet")

    assert [written.row_group(n).num_rows for n in range(written.num_row_groups)] == groups
