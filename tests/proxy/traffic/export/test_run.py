"""An export has every record of every day once, however often it was interrupted."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from proxy.security.redaction import Redacted
from proxy.terminal_text import json_line
from proxy.timestamps import DAY_MS
from proxy.traffic import default_url
from proxy.traffic.export.errors import ExportError
from proxy.traffic.export.manifest import FileFormat
from proxy.traffic.export.run import opened
from proxy.traffic.record import MadeAdjustment
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store
from tests.hypothesis_profiles import scaled
from tests.ready_store import open_ready
from tests.record_factory import record, shadow_record

ds = pytest.importorskip("pyarrow.dataset", reason="needs pyarrow: uv sync --group lint")
pq = pytest.importorskip("pyarrow.parquet")

FORMATS: tuple[FileFormat, ...] = ("parquet", "jsonl")
ALL = (0, 2**52)
"""Every day."""
ADJUSTMENT = MadeAdjustment(
    kind="drop_top_k", field=Redacted("top_k"), asked=Redacted("5"), sent=Redacted("")
)


def day_ms(day: str) -> int:
    return milliseconds_of(f"{day}T00:00:00+00:00")


def at(day: int, number: int = 0) -> str:
    return f"2026-11-{day:02}T23:59:{number // 1000:02}.{number % 1000:03}+00:00"


def exchange(day: int, number: int, **fields: Any) -> Any:
    return record(id=f"req_{day}_{number:05}", received=at(day, number), **fields)


def shadow(day: int, number: int, **fields: Any) -> Any:
    return shadow_record(id=f"req_{day}_{number:05}", ended=at(day, number), **fields)


@contextmanager
def stored(url: str, *entries: Any) -> Iterator[Store]:
    store = open_ready(url)
    store.add(entries)
    yield store
    store.close()


def export(
    store: Store,
    directory: Path,
    file_format: FileFormat = "jsonl",
    period: tuple[int, int] = ALL,
    *,
    stop_after: int | None = None,
) -> list[str]:
    """Export, or be interrupted after so many pages; return the days that were to be written."""
    left = stop_after

    def observe(_: int) -> None:
        nonlocal left
        if left is not None:
            if not left:
                raise KeyboardInterrupt
            left -= 1

    with opened(directory, file_format) as going_on:
        days = going_on.missing(store, *period)
        for day in days:
            going_on.write(store, day, observe)
    return [f"{day.kind.name} {day.date}" for day in days]


def lines_in(directory: Path, kind: str = "exchanges") -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in sorted(directory.glob(f"{kind}/date=*/{kind}.jsonl.gz"))
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]


def ids_in(directory: Path, kind: str, file_format: FileFormat) -> list[str]:
    if file_format == "jsonl":
        return [row["id"] for row in lines_in(directory, kind)]
    files = sorted(directory.glob(f"{kind}/date=*/*.parquet"))
    return [name for file in files for name in pq.read_table(file)["id"].to_pylist()]


def files_in(directory: Path) -> list[str]:
    return sorted(str(it.relative_to(directory)) for it in directory.rglob("*") if it.is_file())


def ids_of(entries: Iterable[Any]) -> list[str]:
    return [entry.id for entry in entries]


def test_lines_are_those_of_the_log_by_day_of_receipt(url, tmp_path):
    first, second, third = (
        exchange(22, 1, adjustments=(ADJUSTMENT,)),
        exchange(23, 1),
        exchange(23, 2),
    )
    with stored(url, third, first, second, shadow(23, 1)) as store:
        days = export(store, tmp_path / "out")

    assert days == ["exchanges 2026-11-22", "exchanges 2026-11-23", "shadows 2026-11-23"]
    assert files_in(tmp_path / "out") == [
        "exchanges/date=2026-11-22/exchanges.jsonl.gz",
        "exchanges/date=2026-11-23/exchanges.jsonl.gz",
        "export.json",
        "shadows/date=2026-11-23/shadows.jsonl.gz",
    ]
    expected = [json_line(each.as_fields()) for each in (first, second, third)]
    assert list(map(json_line, lines_in(tmp_path / "out"))) == expected
    assert lines_in(tmp_path / "out", "shadows") == [
        msgspec.structs.asdict(shadow(23, 1)),
    ]
    assert json.loads((tmp_path / "out" / "export.json").read_bytes()) == {
        "version": 1,
        "format": "jsonl",
        "days": {
            "exchanges": {"2026-11-22": 1, "2026-11-23": 2},
            "shadows": {"2026-11-23": 1},
        },
    }


def test_parquet_is_read_back_as_one_set_of_data_partitioned_by_date(url, tmp_path):
    entries = [
        exchange(22, 1, adjustments=(ADJUSTMENT,), features=("stream", "top_k"), top_p=0.5),
        exchange(23, 1, status=None, input_tokens=None, streamed=True),
    ]
    shadows = [shadow(23, 1), shadow(23, 1, leg="control", failure="timeout", comparison=None)]
    with stored(url, *entries, *shadows) as store:
        export(store, tmp_path, "parquet")
    rows = ds.dataset(tmp_path / "exchanges", partitioning="hive").to_table().to_pylist()
    compared = pq.read_table(next(tmp_path.glob("shadows/date=*/shadows.parquet"))).to_pylist()

    for row, entry in zip(rows, entries, strict=True):
        fields = entry.as_fields()
        moment = datetime.fromisoformat(fields.pop("received"))
        fields["features"] = list(fields["features"])
        assert row.pop("date") == str(moment.date())
        assert row.pop("received") == moment
        assert row == fields
    by_leg = {row["leg"]: row["comparison"] for row in compared}
    assert by_leg == {"shadow": '{"equal":true,"similarity":1.0}', "control": None}
    assert {row["ended"] for row in compared} == {datetime.fromisoformat(at(23, 1))}


@pytest.mark.thorough
def test_a_day_of_many_pages_of_equal_times_is_whole_in_row_groups(url, tmp_path):
    many = [record(id=f"req_{number:05}", received=at(23)) for number in range(2_500)]
    some = [shadow_record(id=f"req_{number:05}", ended=at(23)) for number in range(1_000)]
    with stored(url, *many, *some) as store:
        export(store, tmp_path, "parquet")

    for kind, entries in (("exchanges", many), ("shadows", some)):
        assert ids_in(tmp_path, kind, "parquet") == ids_of(entries)
    metadata = pq.read_metadata(next(tmp_path.glob("exchanges/*/*.parquet")))
    assert metadata.num_row_groups == 1
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_of_a_period_whole_days_are_written_and_others_not(url, tmp_path):
    with stored(url, *(exchange(day, 0) for day in (21, 22, 23, 24))) as store:
        noon = DAY_MS // 2
        period = (day_ms("2026-11-22") + noon, day_ms("2026-11-23") + noon)
        export(store, tmp_path, period=period)
        never = export(store, tmp_path, period=(day_ms("2026-11-25"), day_ms("2026-11-30")))

    assert [row["id"] for row in lines_in(tmp_path)] == ["req_22_00000", "req_23_00000"]
    assert never == []


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_day_is_written_again_only_when_there_is_more_of_it(
    tmp_path: Path, file_format: FileFormat
) -> None:
    out = tmp_path / "out"
    with stored(default_url(tmp_path), exchange(22, 0), exchange(23, 0)) as store:
        export(store, out, file_format)
        nothing = export(store, out, file_format)
        store.add([exchange(23, 1)])
        more = export(store, out, file_format)
        with store.writing() as connection:
            connection.execute(delete(exchanges).where(exchanges.c.id == "req_23_00000"))
        less = export(store, out, file_format)

    assert (nothing, more, less) == ([], ["exchanges 2026-11-23"], [])
    assert ids_in(out, "exchanges", file_format) == ["req_22_00000", "req_23_00000", "req_23_00001"]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_is_not_replaced_by_one_with_less_even_if_the_manifest_is_lost(
    tmp_path: Path, file_format: FileFormat
) -> None:
    out = tmp_path / "out"
    with stored(default_url(tmp_path), exchange(23, 0), exchange(23, 1)) as store:
        export(store, out, file_format)
        (out / "export.json").unlink()
        with store.writing() as connection:
            connection.execute(delete(exchanges).where(exchanges.c.id == "req_23_00000"))
        again = export(store, out, file_format)

    assert again == ["exchanges 2026-11-23"]
    assert ids_in(out, "exchanges", file_format) == ["req_23_00000", "req_23_00001"]
    assert json.loads((out / "export.json").read_bytes())["days"] == {
        "exchanges": {"2026-11-23": 2}
    }
    assert len(files_in(out)) == 2


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("damage", [b"", b"no file of ours", None])
def test_a_damaged_file_that_the_manifest_does_not_know_is_replaced(
    tmp_path: Path, file_format: FileFormat, damage: bytes | None
) -> None:
    out = tmp_path / "out"
    with stored(default_url(tmp_path), exchange(23, 0)) as store:
        export(store, out, file_format)
        (out / "export.json").unlink()
        file = next(out.glob("exchanges/*/*"))
        file.write_bytes(file.read_bytes()[:-3] if damage is None else damage)
        export(store, out, file_format)

    assert ids_in(out, "exchanges", file_format) == ["req_23_00000"]


def test_files_are_their_owners_alone_and_leftovers_of_a_killed_run_are_removed(tmp_path):
    out = tmp_path / "out"
    day = out / "exchanges" / "date=2026-11-23"
    day.mkdir(parents=True)
    (day / ".exchanges.jsonl.gz.0123456789abcdef").write_bytes(b"half")
    with stored(default_url(tmp_path), exchange(23, 0)) as store:
        export(store, out)

    assert {it.name: it.stat().st_mode & 0o777 for it in day.iterdir()} == {
        "exchanges.jsonl.gz": 0o600
    }


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (b"{}", "export.json is not the manifest of an export: Object missing required field"),
        (b"\xff", "export.json is not the manifest of an export: "),
        (b'{"version":2,"format":"jsonl","days":{}}', "of format version 2, and this version of"),
        (b'{"version":1,"format":"parquet","days":{}}', "go on with `--format parquet`, or choose"),
    ],
)
def test_a_directory_of_something_else_is_refused(tmp_path: Path, manifest: bytes, words: str):
    (tmp_path / "export.json").write_bytes(manifest)

    with pytest.raises(ExportError, match=words), opened(tmp_path, "jsonl"):
        pass


def test_two_exports_do_not_write_to_one_directory(tmp_path):
    with (
        opened(tmp_path, "jsonl"),
        pytest.raises(ExportError, match=r"another export to .* is running"),
        opened(tmp_path, "jsonl"),
    ):
        pass


ADD = st.tuples(st.integers(20, 23), st.integers(1, 3), st.sampled_from([exchange, shadow]))
RUN = st.tuples(st.integers(0, 4), st.integers(20, 24), st.integers(20, 24))


@pytest.mark.without_coverage
@pytest.mark.thorough
@settings(max_examples=scaled(200))
@given(st.lists(ADD | RUN.map(list), max_size=12), st.sampled_from(FORMATS))
def test_any_interrupted_exports_while_records_arrive_come_to_all_records_once(steps, file_format):
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        entries: list[Any] = []
        with stored(default_url(Path(place))) as store:
            for step in steps:
                if isinstance(step, list):
                    pages, *days = step
                    begin, end = (day_ms(f"2026-11-{day}") for day in sorted(days))
                    try:
                        export(store, out, file_format, (begin, end), stop_after=pages)
                    except KeyboardInterrupt:
                        known = {entry.id for entry in entries}
                        assert known.issuperset(ids_in(out, "exchanges", file_format))
                else:
                    day, count, make = step
                    new = [make(day, len(entries) + number) for number in range(count)]
                    entries += new
                    store.add(new)
            export(store, out, file_format)
            assert export(store, out, file_format) == []

        for kind, make in (("exchanges", record), ("shadows", shadow_record)):
            expected = sorted(e.id for e in entries if type(e) is type(make()))
            assert ids_in(out, kind, file_format) == expected
        assert not [name for name in files_in(out) if "/." in name]
