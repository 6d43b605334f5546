"""What is too old or too much goes, a little at a time; what may stay stays."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from proxy.traffic import Body, open_store
from proxy.traffic.store.disk_usage import size_of
from proxy.traffic.store.retention import Pruned, Retention, believable_ms, prune
from proxy.traffic.store.row_mapping import moment_of
from proxy.traffic.store.schema import bodies, exchanges, replays, shadows
from proxy.traffic.store.store import Store
from tests.record_factory import content, record, shadow_record

pytestmark = pytest.mark.without_coverage

DAY_MS = 86_400_000
NOW_MS = 2_000_000 * DAY_MS // 100
TABLES = (bodies, shadows, exchanges, replays)


@pytest.fixture
def store(url):
    opened = open_store(url)
    yield opened
    opened.close()


def add(store: Store, count: int, age_ms: int, *, size: int = 0) -> None:
    """Exchanges and all that belongs to them, so old and older."""
    moments = [moment_of(NOW_MS - age_ms - number) for number in range(count)]
    body = Body(part="legacy_in", size=size, digest="d", data=os.urandom(size), timing=None)
    for moment in moments:
        store.add(
            [
                record(id=moment, received=moment),
                shadow_record(id=moment, ended=moment),
                content(id=moment, received=moment, bodies=(body,) if size else ()),
            ]
        )


def counts(store: Store) -> list[int]:
    with store.engine.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in TABLES
        ]


def prune_all(store: Store, *, days: int = 0, max_bytes: int = 0) -> list[Pruned]:
    """As often as it takes."""
    all_of_it: list[Pruned] = []
    while not all_of_it or not all_of_it[-1].is_done:
        all_of_it.append(
            prune(store, now_ms=NOW_MS, retention=Retention(days=days), max_bytes=max_bytes)
        )
        assert len(all_of_it) < 100
    return all_of_it


def whole_days(
    store: Store, pruned: Pruned, days: int, bodies: int = 3, exchanges: int = 3
) -> Pruned:
    """What was pruned, with the rows in place of so many days that PostgreSQL has dropped."""
    if store.engine.dialect.name == "sqlite":
        return pruned
    assert pruned.days == days
    return replace(pruned, days=0, bodies=bodies, exchanges=exchanges)


@pytest.mark.parametrize(
    ("now_ms", "believed"),
    [
        (1_500, 1_500),  # as it should be
        (9_000, 1_600),  # set forwards
        (200, 200),  # set back: nothing goes too early by it
    ],
)
def test_a_clock_is_believed_as_far_as_time_has_passed(now_ms, believed):
    assert believable_ms(now_ms, began_ms=1_000, elapsed_ms=600) == believed


def test_what_is_too_old_goes(store):
    add(store, 3, 8 * DAY_MS, size=10)
    add(store, 2, 6 * DAY_MS, size=10)
    with store.writing() as connection:
        for exchange_id, age in (("a", 8), ("b", 6)):
            row = {"replay": "r", "exchange_id": exchange_id, "done_ms": NOW_MS - age * DAY_MS}
            connection.execute(replays.insert(), row)
    pruned = prune(store, now_ms=NOW_MS, retention=Retention(days=7), max_bytes=0)

    assert whole_days(store, pruned, 4) == Pruned(bodies=3, shadows=3, exchanges=3, replays=1)
    assert counts(store) == [2, 2, 2, 1]
    assert prune(store, now_ms=NOW_MS, retention=Retention(days=7), max_bytes=0) == Pruned()


def test_contents_have_days_of_their_own_but_not_more_than_their_records(store):
    add(store, 2, 3 * DAY_MS, size=10)
    short = prune(store, now_ms=NOW_MS, retention=Retention(content_days=2, days=7), max_bytes=0)
    add(store, 1, 9 * DAY_MS, size=10)
    long = prune(store, now_ms=NOW_MS, retention=Retention(content_days=99, days=7), max_bytes=0)

    assert whole_days(store, short, 2, bodies=2, exchanges=0) == Pruned(bodies=2)
    assert whole_days(store, long, 2, bodies=1, exchanges=1) == Pruned(
        bodies=1, shadows=1, exchanges=1
    )
    assert counts(store) == [0, 2, 2, 0]


def test_texts_of_shadows_go_with_the_other_contents(store):
    add(store, 1, 3 * DAY_MS, size=10)
    at = moment_of(NOW_MS - 3 * DAY_MS)
    said = Body(part="shadow_back", size=2, digest="d", data=b"Hi", timing=None)
    store.add([content(id=at, received=at, bodies=(said,))])
    short = prune(store, now_ms=NOW_MS, retention=Retention(content_days=2, days=7), max_bytes=0)

    assert whole_days(store, short, 1, bodies=2, exchanges=0) == Pruned(bodies=2)
    assert counts(store) == [0, 1, 1, 0]


def test_without_bounds_everything_stays(store):
    add(store, 3, 100 * 365 * DAY_MS)

    assert prune(store, now_ms=NOW_MS, retention=Retention(days=0), max_bytes=0) == Pruned()


def test_with_room_to_spare_everything_stays(store):
    add(store, 3, DAY_MS, size=1_000)

    assert prune(store, now_ms=NOW_MS, retention=Retention(days=0), max_bytes=2**30) == Pruned()
    assert counts(store) == [3, 3, 3, 0]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # PostgreSQL drops the day
def test_one_call_does_a_bounded_amount(store):
    moments = [moment_of(number) for number in range(6_000)]
    store.add(record(id=moment, received=moment) for moment in moments)
    first = prune(store, now_ms=NOW_MS, retention=Retention(days=1), max_bytes=0)

    assert first == Pruned(exchanges=5_000, is_done=False)
    assert sum(each.exchanges for each in prune_all(store, days=1)) == 1_000
    assert counts(store) == [0, 0, 0, 0]


@pytest.mark.thorough
def test_what_was_said_goes_before_who_said_it_and_the_oldest_first(store):
    add(store, 300, DAY_MS, size=20_000)
    prune_all(store, max_bytes=4_000_000)
    with store.engine.connect() as connection:
        kept = connection.execute(select(bodies.c.exchange_id)).scalars().all()

    assert counts(store)[1:] == [300, 300, 0]
    assert kept
    assert sorted(kept) == [moment_of(NOW_MS - DAY_MS - n) for n in range(len(kept))][::-1]
    assert size_of(store.engine, at_least=0) <= 4_000_000


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # PostgreSQL drops the day
def test_with_nothing_said_left_the_oldest_records_go_with_their_shadows(store):
    moments = [moment_of(number) for number in range(2_000)]
    store.add(record(id=moment, received=moment) for moment in moments)
    store.add(shadow_record(id=moment, ended=moment) for moment in moments)
    whole = size_of(store.engine, at_least=0)
    prune_all(store, max_bytes=whole // 2)
    with store.engine.connect() as connection:
        left = connection.execute(select(exchanges.c.id)).scalars().all()

    _, shadows_left, exchanges_left, _ = counts(store)
    assert 0 < exchanges_left < 2_000
    assert abs(shadows_left - exchanges_left) <= 500
    assert sorted(left) == moments[-len(left) :]


def test_a_bound_that_nothing_fits_in_ends_with_nothing(store):
    add(store, 3, DAY_MS)
    prune_all(store, max_bytes=1)

    assert counts(store) == [0, 0, 0, 0]


@pytest.mark.thorough
def test_sqlite_gives_room_back_but_for_a_tenth(tmp_path: Path):
    store = open_store(f"sqlite:///{tmp_path / 'traffic.db'}")
    add(store, 300, 2 * DAY_MS, size=50_000)
    pruned = prune_all(store, days=1)
    with store.engine.connect() as connection:
        pragmas = [f"PRAGMA {name}" for name in ("page_count", "freelist_count")]
        pages, free = (connection.exec_driver_sql(pragma).scalar_one() for pragma in pragmas)
    store.close()

    assert len(pruned) > 3  # in steps
    assert free <= pages // 10
    assert (tmp_path / "traffic.db").stat().st_size < 1_000_000
