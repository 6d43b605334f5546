"""From the journals into the store: everything, once."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from structlog.testing import capture_logs

from proxy.traffic import Body, Content, StoreError, compress, open_store
from proxy.traffic.journal.loader import Loaded, Loader, loader_lock
from proxy.traffic.journal.segments import CONTENTS, RECORDS, SegmentWriter, files_of
from proxy.traffic.store.schema import bodies, exchanges, shadows
from proxy.traffic.store.store import Store
from tests.hypothesis_profiles import scaled
from tests.record_factory import record, shadow_record


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One store for tests that tell their own records apart."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('store')}/traffic.db")
    yield store
    store.close()


@pytest.fixture
def store(tmp_path):
    mine = open_store(f"sqlite:///{tmp_path}/traffic.db")
    yield mine
    mine.close()


def wrote(directory: Path, *entries: object, kind: str = RECORDS) -> SegmentWriter:
    journal = SegmentWriter(directory, kind)
    for entry in entries:
        journal.append(msgspec.msgpack.encode(entry))
    return journal


def ids(store: Store, start: str = "") -> list[str]:
    """Of all exchanges whose ids begin like that, in the order of loading."""
    wanted = select(exchanges.c.id).where(exchanges.c.id.startswith(start, autoescape=True))
    with store.engine.connect() as connection:
        return list(connection.scalars(wanted.order_by(exchanges.c.seq)))


def content(name: str) -> Content:
    body = Body(part="legacy_in", size=2, digest="d", data=compress(b"{}"), timing=None)
    return Content(id=name, received="2026-11-23T09:00:00.000+00:00", bodies=(body,))


def test_what_a_living_worker_has_written_is_loaded_and_its_file_stays(tmp_path, store):
    journal = wrote(tmp_path / "j", record(id="one"))
    loader = Loader(tmp_path / "j", store)
    first = loader.load()
    journal.append(msgspec.msgpack.encode(record(id="two")))
    second, third = loader.load(), loader.load()

    assert [loaded.rows for loaded in (first, second, third)] == [1, 1, 0]
    assert ids(store) == ["one", "two"]
    assert len(files_of(tmp_path / "j", RECORDS)) == 1


def test_a_complete_file_is_removed_when_all_of_it_is_loaded(tmp_path, store):
    wrote(tmp_path / "j", record(id="one"), shadow_record(id="one")).close()
    wrote(tmp_path / "j", content("one"), kind=CONTENTS).close()
    loader = Loader(tmp_path / "j", store)
    loaded = loader.load()

    assert loaded == Loaded(rows=3)
    assert loader.read_bytes == 0
    assert list((tmp_path / "j").iterdir()) == []
    with store.engine.connect() as connection:
        assert connection.scalars(select(shadows.c.exchange_id)).all() == ["one"]
        assert connection.scalars(select(bodies.c.exchange_id)).all() == ["one"]


@pytest.mark.without_coverage
def test_another_loader_that_begins_anew_adds_nothing_twice(tmp_path, store):
    wrote(tmp_path / "j", *(record(id=f"r{number}") for number in range(2500)))
    counts = [Loader(tmp_path / "j", store).load().rows for _ in range(2)]

    assert counts == [2500, 0]
    assert len(ids(store)) == 2500


def test_a_half_written_end_is_passed_over_and_counted(tmp_path, store):
    wrote(tmp_path / "j", record(id="one")).close()
    (file,) = files_of(tmp_path / "j", RECORDS)
    half = file.read_bytes()[:100]
    file.write_bytes(file.read_bytes() + half)
    with capture_logs() as lines:
        loaded = Loader(tmp_path / "j", store).load()

    assert loaded == Loaded(rows=1, damaged_bytes=100)
    assert [line["event"] for line in lines] == ["journal_damaged"]
    assert ids(store) == ["one"]


def test_what_another_version_wrote_is_passed_over_and_counted(tmp_path, store):
    wrote(tmp_path / "j", {"type": "of tomorrow"}, record(id="one"), [1, 2]).close()
    with capture_logs() as lines:
        loaded = Loader(tmp_path / "j", store).load()

    assert loaded == Loaded(rows=1, unreadable=2)
    assert [line["event"] for line in lines] == ["journal_unreadable", "journal_refused"]


def test_records_of_before_there_were_outcomes_are_loaded_with_theirs(tmp_path, store):
    old = {"type": "exchange"} | msgspec.to_builtins(record(id="one", status=529))
    del old["outcome"]
    wrote(tmp_path / "j", old).close()

    assert Loader(tmp_path / "j", store).load() == Loaded(rows=1)
    with store.engine.connect() as connection:
        assert connection.execute(select(exchanges.c.outcome)).scalar() == "upstream_error"


def test_one_entry_that_the_store_refuses_costs_only_itself(tmp_path, store):
    entries = [record(id=f"r{number}") for number in range(600)]
    for bad in (3, 599):
        entries[bad] = record(id="bad", received="at noon")
    wrote(tmp_path / "j", *entries).close()
    with capture_logs() as lines:
        loaded = Loader(tmp_path / "j", store).load()

    assert loaded == Loaded(rows=598, unreadable=2)
    assert ids(store) == [each.id for each in entries if each.id != "bad"]
    assert [line["event"] for line in lines] == ["journal_unreadable", "journal_refused"]


def test_whoever_loads_says_how_large_the_next_piece_may_be(tmp_path, store):
    wrote(tmp_path / "j", *(record(id=f"r{number}") for number in range(9))).close()
    loader = Loader(tmp_path / "j", store)
    counts: list[int] = []
    for piece in loader.pieces(lambda: 1 if len(counts) < 2 else 10**6):
        loader.add(piece)
        counts.append(len(piece.payloads))

    assert counts == [1, 1, 7]
    assert ids(store) == [f"r{number}" for number in range(9)]
    assert files_of(tmp_path / "j", RECORDS) == []


def refused(directory: Path, store: Store, most: int = 10_000) -> list[Path]:
    """Where a file is that has something in it that cannot be loaded."""
    journal = wrote(directory / "j", {"type": "of tomorrow"})
    loader = Loader(directory / "j", store, max_refused_bytes=most)
    loader.load()
    journal.append(msgspec.msgpack.encode(record(id="one")))
    loader.load()
    journal.close()
    loader.load()
    assert ids(store) == ["one"]
    assert files_of(directory / "j", RECORDS) == []
    return list((directory / "refused").glob("*"))


def test_what_cannot_be_loaded_stays_and_can_be_put_back(tmp_path, store):
    (kept,) = refused(tmp_path, store)
    kept.rename(tmp_path / "j" / kept.name)
    again = Loader(tmp_path / "j", store).load()

    assert again == Loaded(rows=0, unreadable=1)
    assert kept.exists()


def test_what_cannot_be_loaded_stays_within_a_bound(tmp_path, store):
    with capture_logs() as lines:
        kept = refused(tmp_path, store, most=100)

    assert kept == []
    assert lines[-1]["removed"]


@pytest.mark.parametrize(("days", "stays"), [(0, True), (3, True), (2, False)])
def test_what_cannot_be_loaded_stays_no_longer_than_anything_else(tmp_path, store, days, stays):
    (kept,) = refused(tmp_path, store)
    os.utime(kept, (0, 0))
    Loader(tmp_path / "j", store).prune_refused(now_ms=3 * 86_400_000, days=days)

    assert kept.exists() == stays


def test_what_was_put_aside_and_taken_away_meanwhile_is_no_error(tmp_path, store):
    (kept,) = refused(tmp_path, store)
    kept.unlink()
    kept.symlink_to(tmp_path / "nowhere")
    Loader(tmp_path / "j", store).prune_refused(now_ms=3 * 86_400_000, days=2)

    assert kept.is_symlink()


def test_a_file_that_made_room_meanwhile_is_no_error(tmp_path, store):
    loader = Loader(tmp_path / "j", store)
    wrote(tmp_path / "j", record(id="one"))
    first = loader.load()
    shutil.rmtree(tmp_path / "j")
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / f"gone{RECORDS}").symlink_to(tmp_path / "nowhere")

    assert (first.rows, loader.load()) == (1, Loaded())


@pytest.mark.thorough
def test_while_the_store_is_unwell_the_journals_wait(tmp_path, store):
    wrote(tmp_path / "j", record(id="one")).close()
    with closing(sqlite3.connect(tmp_path / "traffic.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError):
            Loader(tmp_path / "j", store).load()

    assert len(files_of(tmp_path / "j", RECORDS)) == 1
    assert Loader(tmp_path / "j", store).load().rows == 1


def test_only_one_loads_at_a_time(tmp_path):
    with loader_lock(tmp_path / "j") as first, loader_lock(tmp_path / "j") as second:
        pass
    with loader_lock(tmp_path / "j") as afterwards:
        pass

    assert (first, second, afterwards) == (True, False, True)


@pytest.mark.without_coverage
@settings(max_examples=scaled(30))
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=6), st.data())
def test_whatever_is_read_when_everything_is_loaded_once(shared, tmp_path_factory, steps, data):
    """Workers write and end their files, loaders come and go."""
    directory = tmp_path_factory.mktemp("law")
    journal, loader, wanted = SegmentWriter(directory, RECORDS), Loader(directory, shared), []
    for number, (count, ends) in enumerate(steps):
        names = [f"{directory.name}-{number}-{one}" for one in range(count)]
        wanted += names
        for name in names:
            journal.append(msgspec.msgpack.encode(record(id=name)))
        if ends:
            journal.close()
        if data.draw(st.booleans()):
            loader.load()
        if data.draw(st.booleans()):
            loader = Loader(directory, shared)
    loader.load()

    # Of two files of the same moment, either may be the first.
    assert sorted(ids(shared, f"{directory.name}-")) == sorted(wanted)
