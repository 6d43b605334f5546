"""Sums that somebody deleted: missed, built again from records, and else counted by day."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, delete, text, update

from proxy.timestamps import DAY_MS
from proxy.traffic import open_store
from proxy.traffic.store.retention import Retention, compact, prune
from proxy.traffic.store.rollups.build import (
    Missing,
    begin_rebuild,
    build_step,
    missing_from,
    rebuild_deleted,
)
from proxy.traffic.store.rollups.compare import compare_days
from proxy.traffic.store.rollups.ledger import DayCount, different_days
from proxy.traffic.store.rollups.period import Period
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.schema import exchanges, rollup_days
from proxy.traffic.store.store import Store
from tests.record_factory import record
from tests.recorded_exchanges import moment, numbered

FIRST = milliseconds_of(moment(0))
LATER = "2026-11-25T09:00:00.000+00:00"
AFTER = "2026-11-26T09:00:00.000+00:00"
NOW = FIRST + 4 * DAY_MS


DAMAGE = {
    "the table": "DROP TABLE rollups",
    "the rows": "DELETE FROM rollups",
    "what describes them": "DELETE FROM rollup_groups",
    "the table of what describes them": "DROP TABLE rollup_groups",
    "a day": f"DELETE FROM rollups WHERE begin_ms < {FIRST + DAY_MS}",  # noqa: S608
    "a part of one": "UPDATE rollups SET exchanges = 0",
}


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Three exchanges of one day and one of a later one."""
    opened = open_store(url)
    opened.add([*numbered(1, 2, 3), record(id="later", received=LATER, asked_model="claude-1")])
    yield opened
    opened.close()


def execute(store: Store, *statements: str) -> None:
    with store.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def repaired(url: str) -> tuple[Missing, Missing]:
    """What is missing when the store is opened again, and after what a loader does about it."""
    again = open_store(url)
    with again.reading() as connection:
        before = missing_from(connection)
    with again.writing() as connection:
        progress = rebuild_deleted(connection)
        while progress.left:
            progress = build_step(connection)
        # A second look finds nothing to do.
        assert rebuild_deleted(connection).left == 0
        assert list(compare_days(connection)) == []
        after = missing_from(connection)
    again.close()
    return before, after


def of_days(connection: Connection) -> list[DayCount]:
    return different_days(connection)


@pytest.mark.without_coverage
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_sums_that_were_deleted_are_built_from_their_records(store, url, damage):
    execute(store, damage)
    before, after = repaired(url)

    assert (before.to_build > 0, before.lost) == (True, {})
    assert after == Missing(0)


@pytest.mark.without_coverage
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_sums_whose_records_are_gone_are_counted_by_day_once_they_are_deleted(store, url, damage):
    prune(store, now_ms=NOW, retention=Retention(days=2), max_bytes=0)
    with store.reading() as connection:
        assert missing_from(connection) == Missing(0)
    execute(store, damage)
    _, after = repaired(url)

    assert after == Missing(0, {"2026-11-23": 3})


def test_sums_and_records_that_somebody_deleted_are_counted_too(store, url):
    with store.writing() as connection:
        connection.execute(delete(exchanges).where(exchanges.c.received_ms < FIRST + DAY_MS))
        connection.execute(text("DROP TABLE rollups"))
    _, after = repaired(url)

    assert after == Missing(0, {"2026-11-23": 3})


def test_only_days_of_the_period_are_asked_about(store):
    prune(store, now_ms=NOW + DAY_MS, retention=Retention(days=1), max_bytes=0)
    execute(store, "DELETE FROM rollups")
    with store.reading() as connection:
        both = missing_from(connection)
        first = missing_from(connection, Period(FIRST + 1, FIRST + 2))
        nothing = missing_from(connection, Period(FIRST + DAY_MS, FIRST + 2 * DAY_MS))

    assert both.lost == {"2026-11-23": 3, "2026-11-25": 1}
    assert first.lost == {"2026-11-23": 3}
    assert nothing.lost == {}


def test_while_sums_are_built_nothing_is_lost_and_no_other_build_begins(store):
    with store.writing() as connection:
        begin_rebuild(connection)
        assert missing_from(connection) == Missing(4)
        assert rebuild_deleted(connection).left == 4
        while build_step(connection).left:
            pass
        assert missing_from(connection) == Missing(0)


def test_days_that_were_never_noted_are_noted_from_their_sums(store, url):
    """Their table was deleted or emptied, or an older version has added to them."""
    execute(store, "DROP TABLE rollup_days")
    again = open_store(url)
    with again.writing() as connection:
        assert len(of_days(connection)) == 2
        assert missing_from(connection) == Missing(0)
        assert rebuild_deleted(connection).left == 0
        assert of_days(connection) == []
        connection.execute(update(rollup_days).values(exchanges=1))
        assert rebuild_deleted(connection).left == 0
        assert of_days(connection) == []
    again.close()


def test_what_makes_hours_and_days_of_minutes_leaves_the_number_of_each_day(store):
    while not compact(store, now_ms=NOW + 30 * DAY_MS, most_steps=1):
        pass

    with store.reading() as connection:
        assert of_days(connection) == []


def test_sums_that_are_too_old_are_not_missed(store):
    store.add([record(id="after", received=AFTER)])
    short = Retention(days=1, rollup_days=1)
    prune(store, now_ms=FIRST + 4 * DAY_MS + 1, retention=short, max_bytes=0)

    with store.reading() as connection:
        assert missing_from(connection) == Missing(0)
        assert [row.day for row in connection.execute(rollup_days.select())] == [
            milliseconds_of(each) // DAY_MS for each in (LATER, AFTER)
        ]


def test_a_day_of_which_a_part_is_too_old_is_counted_by_the_rest(url):
    store = open_store(url)
    store.add(numbered(1, 3_600))
    short = Retention(days=1, rollup_days=1)
    prune(store, now_ms=FIRST + 2 * DAY_MS + 60_000, retention=short, max_bytes=0)

    with store.reading() as connection:
        [left] = connection.execute(rollup_days.select()).all()
        assert (left.exchanges, of_days(connection)) == (1, [])
    store.close()


def test_times_that_only_a_wrong_clock_explains_are_left_out(store):
    store.add([record(id="wrong", received="1969-12-31T09:00:00.000+00:00")])
    with store.reading() as connection:
        assert of_days(connection) == []


def test_a_day_is_told_by_its_date():
    assert DayCount(0, 3, 5).date == "1970-01-01"
    assert DayCount(0, 3, 5).missing == 0
