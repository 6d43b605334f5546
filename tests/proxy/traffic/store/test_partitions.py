"""On PostgreSQL, each day is a partition: made in time and dropped whole, whoever else is there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select, text

from proxy.timestamps import DAY_MS
from proxy.traffic import ReadOnlyStoreError, journal_directory, open_store
from proxy.traffic.journal.loader import Loader
from proxy.traffic.journal.segments import CONTENTS, RECORDS, SegmentWriter
from proxy.traffic.store.disk_usage import size_of
from proxy.traffic.store.partitions import make_days_ahead, partitions_of
from proxy.traffic.store.queries import bodies_of, find_by_id
from proxy.traffic.store.retention import Pruned, Retention, prune
from proxy.traffic.store.rollups.compare import compare_days
from proxy.traffic.store.row_mapping import milliseconds_of, moment_of
from proxy.traffic.store.schema import bodies, exchanges, shadows
from proxy.traffic.store.store import Store
from tests.hypothesis_profiles import scaled
from tests.older_store import as_before_days
from tests.postgres import PASSWORD, Postgres
from tests.record_factory import content, record, shadow_record
from tests.waiting import PATIENCE_SECONDS, wait_for

NOW_MS = milliseconds_of("2026-11-30T12:00:00.000+00:00")
TODAY = "exchanges_20261130"
LOAD = """
import pathlib, sys
from proxy.traffic import journal_directory, open_store
from proxy.traffic.journal.loader import Loader
Loader(journal_directory(pathlib.Path(sys.argv[1])), open_store(sys.argv[2])).load()
"""


@pytest.fixture
def url(server: Postgres) -> str:
    return server.new_database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


def days(store: Store) -> list[str]:
    with store.engine.connect() as connection:
        return [each.name for each in partitions_of(connection, exchanges)]


def count(store: Store) -> int:
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(exchanges)).scalar_one()


def days_ago(number: int, **fields: str) -> list[object]:
    """An exchange and its body, of so many days ago."""
    received = moment_of(NOW_MS - number * DAY_MS)
    name = fields.get("id", f"req_{number:04}")
    return [record(id=name, received=received), content(id=name, received=received)]


def add(store: Store, *numbers: int) -> None:
    store.add(each for number in numbers for each in days_ago(number))  # type: ignore[misc]


def prune_now(store: Store, *, days: int = 0, max_bytes: int = 0) -> Pruned:
    return prune(store, now_ms=NOW_MS, retention=Retention(days=days), max_bytes=max_bytes)


def test_a_record_that_comes_late_has_a_day_made_for_it(store: Store):
    add(store, 0)
    add(store, 7)

    assert days(store) == ["exchanges_20261123", TODAY]
    [late] = find_by_id(store, "req_0007", 2)
    assert len(bodies_of(store, late)) == 1


def test_days_are_made_ahead_and_not_twice(store: Store):
    for _ in range(2):
        with store.writing() as connection:
            make_days_ahead(connection, NOW_MS)

    assert days(store) == [TODAY, *(f"exchanges_2026120{n}" for n in (1, 2, 3))]


@pytest.mark.without_coverage
def test_a_day_that_another_loader_has_dropped_is_made_again(store: Store, url: str):
    add(store, 8)
    other = open_store(url)
    assert prune_now(other, days=7) == Pruned(days=2)
    other.close()

    store.add(days_ago(8, id="late"))  # type: ignore[arg-type]
    assert [each.id for each in find_by_id(store, "late", 2)] == ["late"]


def test_many_loaders_make_the_same_days_at_once_and_store_everything_once(url: str):
    stores = [open_store(url) for _ in range(4)]
    entries = [each for number in range(12) for each in days_ago(number)]
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda store: store.add(entries), stores))

    assert sum(added) == len(entries)
    assert count(stores[0]) == 12
    for store in stores:
        store.close()


def test_days_that_are_too_old_are_dropped_a_few_at_a_time(store: Store):
    add(store, *range(20))
    pruned = [prune_now(store, days=7) for _ in range(3)]

    assert [each.days for each in pruned] == [10, 10, 4]
    assert [each.is_done for each in pruned] == [False, False, True]
    assert days(store)[0] == "exchanges_20261123"  # some of it is not too old


def test_a_store_that_is_too_large_loses_whole_days_but_not_of_late(store: Store):
    add(store, 0, 1, 2, 3)
    pruned = prune_now(store, max_bytes=1)

    assert pruned.days == 4
    assert (pruned.bodies, pruned.exchanges) == (2, 2)
    assert days(store) == ["exchanges_20261129", TODAY]


@pytest.mark.without_coverage
def test_a_limit_below_a_day_of_traffic_is_kept_over_midnight(store: Store):
    """What goes is the oldest, not all of yesterday."""
    midnight = NOW_MS // DAY_MS * DAY_MS
    times = [midnight - 2_000 + number for number in range(2_000)]
    store.add(record(id=f"{time}", received=moment_of(time)) for time in times)
    most = size_of(store.engine, at_least=0, now_ms=midnight) * 3 // 5
    while not prune(store, now_ms=midnight, retention=Retention(), max_bytes=most).is_done:
        pass

    with store.reading() as connection:
        left = connection.execute(select(exchanges.c.received_ms).order_by("received_ms")).scalars()
        assert list(left) == times[1_000:]


def test_a_store_with_room_to_spare_loses_nothing(store: Store):
    add(store, 0, 1, 2)

    assert prune_now(store, max_bytes=size_of(store.engine, at_least=2**40)) == Pruned()


def test_a_day_that_somebody_reads_for_long_stays_for_now(store: Store):
    add(store, 9)
    with store.reading() as reader:
        reader.execute(select(exchanges.c.id)).all()
        meanwhile = prune_now(store, days=7)
    afterwards = prune_now(store, days=7)

    assert meanwhile == Pruned(days=1)  # of bodies, which nobody reads
    assert afterwards == Pruned(days=1)


def test_a_store_of_before_there_were_days_is_divided_and_its_rows_stay(url: str):
    older = open_store(url)
    add(older, 0, 1, 9)
    future = record(id="of tomorrow's clock", received="2099-05-04T09:00:00.000+00:00")
    older.add([future])
    as_before_days(older)
    older.close()
    store = open_store(url)
    add(store, 0, 1, 9, -2)

    names = days(store)
    assert names[0] == "exchanges_earlier"
    assert names[-1].startswith("exchanges_later_")
    assert [each.id for each in find_by_id(store, "req_000", 9)] == [
        *("req_0000", "req_0001", "req_0009", "req_-002")
    ][:3]
    assert find_by_id(store, future.id, 2) == [future]
    assert count(store) == 5
    with store.reading() as connection:
        assert list(compare_days(connection)) == []
    store.close()


@pytest.mark.thorough
def test_rows_of_before_there_were_days_go_one_by_one_until_all_are_old(url: str):
    older = open_store(url)
    add(older, 0, 9)
    as_before_days(older)
    older.close()
    store = open_store(url)
    size = size_of(store.engine, at_least=0)
    some = prune_now(store, days=7)
    later_ms = milliseconds_of("2099-01-01T00:00:00.000+00:00")
    rest = prune(store, now_ms=later_ms, retention=Retention(days=7), max_bytes=0)

    assert some == Pruned(bodies=1, exchanges=1)
    assert rest == Pruned(days=2)
    assert (days(store), size > 0) == ([], True)
    store.close()


def test_who_might_read_before_there_were_days_still_may(url: str, server: Postgres):
    older = open_store(url)
    add(older, 0)
    as_before_days(older)
    older.close()
    database = url.rpartition("/")[2]
    server.execute(
        database,
        f"CREATE ROLE \"reader of {database}\" LOGIN PASSWORD '{PASSWORD}'",
        f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "reader of {database}"',
        "GRANT SELECT ON bodies TO PUBLIC",
    )
    open_store(url).close()
    readers = server.url(database, user=f"reader%20of%20{database}")
    with pytest.raises(ReadOnlyStoreError):
        open_store(readers)
    reader = open_store(readers, read_only=True)

    assert count(reader) == 1
    reader.close()


def written(state_dir: Path, names: range) -> None:
    """Journals of a machine, with an exchange, a shadow and a body for each name."""
    directory = journal_directory(state_dir)
    records, contents = SegmentWriter(directory, RECORDS), SegmentWriter(directory, CONTENTS)
    for number in names:
        received = moment_of(NOW_MS - number % 3 * DAY_MS)
        shown = {"id": f"req_{number:06}", "received": received}
        for entry in (record(**shown), shadow_record(id=shown["id"], ended=received)):
            records.append(msgspec.msgpack.encode(entry))
        contents.append(msgspec.msgpack.encode(content(**shown)))
    records.close()
    contents.close()


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_two_machines_load_everything_once_also_if_they_are_killed(url: str, tmp_path: Path):
    many = scaled(4_000, at_least=2_000)
    machines = [tmp_path / "one", tmp_path / "two"]
    # Some of it twice: a journal that was copied.
    written(machines[0], range(many))
    written(machines[1], range(many // 2, many * 3 // 2))
    store = open_store(url)
    for goal in (many // 4, many // 2, many):
        loaders = [
            subprocess.Popen([sys.executable, "-c", LOAD, machine, url]) for machine in machines
        ]
        wait_for(lambda goal=goal: count(store) >= goal)  # type: ignore[misc]
        for loader in loaders:
            loader.send_signal(signal.SIGKILL)
            loader.wait(PATIENCE_SECONDS)
    for machine in machines:
        Loader(journal_directory(machine), store).load()

    with store.reading() as connection:
        for table, column in ((exchanges, "id"), (shadows, "exchange_id"), (bodies, "exchange_id")):
            counted = select(func.count(), func.count(table.c[column].distinct()))
            assert connection.execute(counted).one() == (many * 3 // 2, many * 3 // 2)
        assert list(compare_days(connection)) == []
        summed = text("SELECT sum(captured) FROM rollups WHERE kind = 'shape'")
        assert connection.execute(summed).scalar() == many * 3 // 2
    assert [list(journal_directory(machine).iterdir()) for machine in machines] == [[], []]
    store.close()
