"""Sums of exchanges in the store: built, compacted, limited, compared; on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, text, update

from proxy.timestamps import DAY_MS, HOUR_MS, MINUTE_MS
from proxy.traffic import StoreError, open_store
from proxy.traffic.store.aggregates import ExampleKey, examples_of
from proxy.traffic.store.partitions import make_days
from proxy.traffic.store.retention import Pruned, Retention, compact, prune
from proxy.traffic.store.rollups.build import begin_rebuild, build_step, progress_of
from proxy.traffic.store.rollups.compare import comparable_periods, compare_days, compare_period
from proxy.traffic.store.rollups.period import period_of_buckets
from proxy.traffic.store.rollups.sums import Kind, Sums
from proxy.traffic.store.rollups.write import lock_rollups
from proxy.traffic.store.row_mapping import milliseconds_of, row_of_exchange
from proxy.traffic.store.schema import exchanges, rollup_groups, rollup_state, rollups
from proxy.traffic.store.store import Store
from tests.older_store import as_before_rollups
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import exchange, moment, numbered
from tests.waiting import wait_for

DAY = milliseconds_of(moment(0))
NOW = DAY + 30 * DAY_MS
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


def counts(store: Store) -> dict[int, int]:
    """How many exchanges are summed up in buckets of each length."""
    step, count = rollups.c.step_ms, func.sum(rollups.c.exchanges)
    query = select(step, count).where(rollups.c.kind == Kind.SHAPE).group_by(step)
    with store.reading() as connection:
        return {length: int(number) for length, number in connection.execute(query)}


def differences(store: Store) -> list[Any]:
    with store.reading() as connection:
        found: list[Any] = list(compare_days(connection))
        for period in comparable_periods(connection):
            found += compare_period(connection, period)
    return found


def build(store: Store) -> int:
    """Take all steps; return how many that were."""
    for step in range(100):
        with store.writing() as connection:
            if not build_step(connection).left:
                return step + 1
    pytest.fail("it does not end")


def begin(store: Store) -> int:
    with store.writing() as connection:
        return begin_rebuild(connection).target


@pytest.mark.without_coverage
def test_minutes_become_hours_and_days_and_late_records_join_them(store):
    store.add(numbered(1, 2, 4_000))
    while not compact(store, now_ms=DAY + 4 * HOUR_MS, most_steps=1):
        pass
    hours = counts(store)
    while not compact(store, now_ms=NOW, most_steps=1):
        pass
    days = counts(store)
    store.add(numbered(3))
    with_late = counts(store)
    while not compact(store, now_ms=NOW, most_steps=1):
        pass

    assert (hours, days) == ({HOUR_MS: 3}, {DAY_MS: 3})
    assert with_late == {MINUTE_MS: 1, DAY_MS: 3}
    assert counts(store) == {DAY_MS: 4}
    assert differences(store) == []


def test_a_period_is_widened_to_the_buckets_that_there_are(store):
    store.add(numbered(4_000))
    with store.reading() as connection:
        minutes = period_of_buckets(connection, DAY + 4_000_500, DAY + 4_000_501)
    while not compact(store, now_ms=NOW, most_steps=10):
        pass
    with store.reading() as connection:
        day = period_of_buckets(connection, DAY + 4_000_500, DAY + 4_000_501)

    assert minutes.end_ms - minutes.begin_ms == MINUTE_MS
    assert (day.begin_ms, day.end_ms) == (DAY, DAY + DAY_MS)


def test_a_rebuild_that_is_interrupted_goes_on_and_counts_nothing_twice(store):
    store.add(numbered(*range(600)))
    store.add([shadow_record(id="req_0001")])
    assert begin(store) == 600
    with store.writing() as connection:
        assert build_step(connection).left == 350
    store.add([*numbered(700), shadow_record(id="req_0002"), shadow_record(id="req_0500")])

    assert build(store) == 2
    assert counts(store) == {MINUTE_MS: 601}
    assert differences(store) == []
    assert build(store) == 1


def test_a_rebuild_leaves_sums_alone_whose_records_are_gone(store):
    store.add([*numbered(1, 2), record(id="new", received="2026-11-24T09:00:00+00:00")])
    prune(store, now_ms=DAY + DAY_MS + 1, retention=Retention(days=1), max_bytes=0)
    begin(store)
    build(store)

    assert counts(store) == {MINUTE_MS: 3}
    assert differences(store) == []


def test_a_shadow_of_an_exchange_that_a_rebuild_leaves_alone_is_counted_as_it_comes(store):
    store.add([*numbered(1), record(id="new", received="2026-11-24T09:00:00+00:00")])
    prune(store, now_ms=DAY + 2 * DAY_MS, retention=Retention(days=1), max_bytes=0)
    store.add([*numbered(2), *exchange(3)[:1]])  # late: of a time whose records were deleted
    begin(store)
    store.add([shadow_record(id="req_0002"), *exchange(3)[1:]])
    build(store)

    summed = func.sum(rollups.c.exchanges), func.sum(rollups.c.captured)
    with store.reading() as connection:
        found = {
            kind: connection.execute(select(*summed).where(rollups.c.kind == kind)).one()
            for kind in (Kind.SHAPE, Kind.SHADOW)
        }
    assert found == {Kind.SHAPE: (4, 1), Kind.SHADOW: (1, 0)}


def test_what_is_left_to_build_is_counted_from_the_oldest_record_that_there_is(store):
    store.add([*numbered(*range(300)), record(id="new", received="2026-11-24T09:00:00+00:00")])
    prune(store, now_ms=DAY + 2 * DAY_MS, retention=Retention(days=1), max_bytes=0)
    with store.writing() as connection:
        begun = begin_rebuild(connection)
    with store.reading() as connection:
        assert progress_of(connection) == begun
    with store.writing() as connection:
        ended = build_step(connection)

    assert (begun.built, begun.target, begun.left) == (0, 1, 1)
    assert (ended.built, ended.target, ended.left) == (1, 1, 0)


def test_a_build_whose_records_are_all_gone_ends_in_a_step(store):
    store.add(numbered(1, 2))
    begin(store)
    with store.writing() as connection:  # by hand: retention waits for the build
        connection.execute(delete(exchanges))
    store.add(numbered(3))

    assert build(store) == 1
    with store.reading() as connection:
        assert progress_of(connection).left == 0


@pytest.mark.without_coverage
def test_no_record_is_deleted_before_a_rebuild_has_come_to_it(store):
    store.add([*numbered(*range(300)), shadow_record(id="req_0001")])
    begin(store)
    during = prune(store, now_ms=NOW, retention=Retention(days=1), max_bytes=0)
    build(store)
    after = prune(store, now_ms=NOW, retention=Retention(days=1), max_bytes=0)

    assert during == Pruned()
    assert after.shadows == 1
    assert after.exchanges == 300 or after.days
    assert counts(store) == {MINUTE_MS: 300}


def test_a_rebuild_that_begins_while_records_are_deleted_does_so_before_or_after(server):
    store = open_store(server.new_database())
    store.add(numbered(1))
    with ThreadPoolExecutor(1) as pool:
        with store.writing() as connection:
            connection.execute(text("LOCK TABLE exchanges IN SHARE MODE"))
            pruned = pool.submit(prune, store, now_ms=NOW, retention=Retention(days=1), max_bytes=0)
            wait_for(lambda: connection.execute(WAITING).scalar())
            begin_rebuild(connection)
        assert pruned.result() == Pruned()
    build(store)

    assert counts(store) == {MINUTE_MS: 1}
    store.close()


def test_sums_go_after_their_own_days_with_what_describes_them(store):
    store.add(numbered(1))
    short = Retention(days=1, rollup_days=7)
    prune(store, now_ms=DAY + 8 * DAY_MS, retention=short, max_bytes=0)
    kept = counts(store)
    prune(store, now_ms=DAY + 9 * DAY_MS, retention=short, max_bytes=0)

    assert (kept, counts(store)) == ({MINUTE_MS: 1}, {})
    with store.reading() as connection:
        assert connection.execute(select(rollup_groups)).all() == []


def test_what_describes_sums_stays_as_long_as_one_of_them(store):
    store.add([*numbered(1), record(id="later", received="2026-11-28T09:00:00.000+00:00")])
    prune(store, now_ms=DAY + 9 * DAY_MS, retention=Retention(days=1, rollup_days=7), max_bytes=0)

    assert counts(store) == {MINUTE_MS: 1}
    with store.reading() as connection:
        assert len(connection.execute(select(rollup_groups)).all()) == 2


@pytest.mark.parametrize("table", [rollups, rollup_groups, rollup_state])
def test_sums_of_which_a_table_was_deleted_are_built_anew(store, url, table):
    store.add(exchange(1))
    with store.writing() as connection:
        connection.execute(text(f"DROP TABLE {table.name}"))
    again = open_store(url)
    build(again)

    assert counts(again) == {MINUTE_MS: 1}
    assert differences(again) == []
    again.close()


def test_sums_of_another_version_are_built_anew(store, url):
    store.add(numbered(1, 2))
    with store.writing() as connection:
        connection.execute(update(rollup_state).values(version=99))
        connection.execute(update(rollups).values(exchanges=7))
    again = open_store(url)
    build(again)

    assert differences(again) == []
    again.close()


def test_of_two_that_open_a_store_at_once_one_has_its_sums_built_anew(server):
    url = server.new_database()
    store = open_store(url)
    store.add(numbered(*range(300)))
    with store.writing() as connection:
        connection.execute(delete(rollup_state))
    with ThreadPoolExecutor(1) as pool:
        with store.writing() as connection:
            lock_rollups(connection)
            other = pool.submit(open_store, url)
            wait_for(lambda: connection.execute(WAITING).scalar())
            begin_rebuild(connection)
            build_step(connection)
        again = other.result()

    assert build(again) == 1
    assert counts(again) == {MINUTE_MS: 300}
    again.close()
    store.close()


def test_who_has_sums_built_anew_waits_for_what_is_stored_but_not_yet_summed_up(server):
    url = server.new_database()
    store = open_store(url)
    with store.writing() as connection:
        connection.execute(delete(rollup_state))
    with ThreadPoolExecutor(1) as pool:
        with store.writing() as connection:
            make_days(connection, [DAY // DAY_MS])
            connection.execute(insert(exchanges), row_of_exchange(record()))
            other = pool.submit(open_store, url)
            wait_for(lambda: connection.execute(WAITING).scalar())
            lock_rollups(connection)
        again = other.result()

    assert build(again) == 1
    assert counts(again) == {MINUTE_MS: 1}
    again.close()
    store.close()


def test_a_state_that_is_gone_is_a_problem_that_opening_solves(store, url):
    with store.writing() as connection:
        connection.execute(delete(rollup_state))
    with store.reading() as connection, pytest.raises(StoreError, match="rollup_state is empty"):
        progress_of(connection)
    again = open_store(url)

    with again.reading() as connection:
        assert progress_of(connection).left == 0
    again.close()


@pytest.mark.without_coverage
def test_a_filled_store_of_before_there_were_sums_gets_those_of_all_its_records(store, url):
    store.add([*numbered(*range(600)), shadow_record(id="req_0001"), *exchange(700)])
    as_before_rollups(url)
    again = open_store(url)
    with again.reading() as connection:
        left = progress_of(connection).left
    again.add([*numbered(701), shadow_record(id="req_0701"), shadow_record(id="req_0002")])

    assert left == 601
    assert build(again) == 3
    assert counts(again) == {MINUTE_MS: 602}
    assert differences(again) == []
    again.close()


def test_what_differs_is_named(store):
    store.add(numbered(1))
    with store.writing() as connection:
        connection.execute(update(rollups).values(exchanges=5))

    found = differences(store)
    assert {(each.figure, each.in_rollups, each.in_records) for each in found} == {
        ("exchanges", 5, 1)
    }
    assert [each.group is None for each in found] == [True, False, False]


@pytest.mark.without_coverage
@pytest.mark.parametrize("order", [(1, 4, 3, 2), (2, 3, 4, 1), (4, 1, 2, 3)])
@pytest.mark.parametrize("together", [True, False])
def test_the_example_is_the_exchange_that_was_received_last_whatever_its_name(
    store, order, together
):
    """Of those whose request was kept, too, if the last of all is none of them."""
    rows = [exchange(9 - n, received=moment(n)) for n in order]
    rows.append([record(id="of no content", received=moment(5))])
    batches = [[row for each in rows for row in each]] if together else rows
    for batch in batches:
        store.add(batch)

    with store.reading() as connection:
        period = period_of_buckets(connection, DAY, NOW)
        keys = list(connection.execute(select(rollup_groups.c.key)).scalars())
        [example] = examples_of(connection, period, keys).values()
    assert example.latest == ExampleKey("of no content", DAY + 5_000)
    assert example.captured is not None
    assert example.captured.id == "req_0005"


def test_groups_beyond_the_limit_are_counted_as_other_and_named_callers_have_room(store):
    anonymous = [
        record(id=f"{n}", received=moment(1), asked_model=f"model {n}") for n in range(510)
    ]
    store.add(anonymous)
    store.add([record(id="named", received=moment(2), caller_name="nightly")])
    is_other = rollup_groups.c.is_other
    query = (
        select(is_other, func.sum(rollups.c.exchanges))
        .join_from(rollups, rollup_groups, rollups.c.key == rollup_groups.c.key)
        .where(rollups.c.kind == Kind.SHAPE)
        .group_by(is_other)
    )
    with store.reading() as connection:
        found = {other: int(count) for other, count in connection.execute(query)}

    assert found == {False: 501, True: 10}
    assert differences(store) == []


def test_of_groups_that_find_no_room_the_smallest_are_left_out():
    sums = Sums(MINUTE_MS)
    for number, times in enumerate((1, 3, 2)):
        for _ in range(times):
            sums.add_exchange(row_of_exchange(record(asked_model=f"model {number}")))
    sums.limit({}, most=2)

    shapes = next(groups for bucket, groups in sums.buckets.items() if bucket.kind is Kind.SHAPE)
    found = {sums.described[key].get("asked_model"): each.exchanges for key, each in shapes.items()}
    assert found == {"model 1": 3, "model 2": 2, None: 1}
