"""What is counted in the database, on both engines."""

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from proxy.errors import Blame
from proxy.outcome import Outcome
from proxy.traffic import open_store
from proxy.traffic.record import MadeAdjustment
from proxy.traffic.store.aggregates import (
    Aggregates,
    CapturedGroup,
    Ending,
    LatencyGroup,
    ShapeGroup,
    aggregate,
    oldest_received_ms,
)
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.row_mapping import row_of_exchange
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store
from tests.record_factory import record
from tests.recorded_exchanges import exchange, moment

DAY = 1_795_392_000_000  # 2026-11-23
HOUR = 3_600_000
EVERYTHING = Filter(since=DAY, until=DAY + 24 * HOUR)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


def sums(store: Store, wanted: Filter = EVERYTHING) -> Aggregates:
    return aggregate(store, wanted, HOUR)


def test_exchanges_of_one_shape_are_counted_together(store):
    store.add(
        [
            record(id="a", received=moment(1), caller_name="nightly", input_tokens=2.0),
            record(id="b", received=moment(9), caller_name="nightly", output_tokens=None),
            record(id="c", received=moment(5), caller_name="nightly", user_agent="another"),
        ]
    )

    assert sums(store).shapes == (
        ShapeGroup(
            shape=row_of_exchange(record(caller_name="nightly"))["shape"],
            who="nightly",
            name="nightly",
            digest="0123456789abcdef",
            dialect="2023-06-01",
            streamed=False,
            features="[]",
            rule=None,
            asked="claude-2.1",
            sent="claude-haiku-4-5-20251001",
            adjustments="[]",
            ending=Ending("translate", 200, None, Outcome.ANSWERED),
            exchanges=3,
            first_ms=DAY + 1_000,
            last_ms=DAY + 9_000,
            input_tokens=14.0,
            output_tokens=28.0,
            latest_seq=3,
        ),
    )


def test_what_ended_otherwise_is_counted_apart(store):
    fields = {"status": 529, "error_type": "overloaded_error", "blame": Blame.UPSTREAM}
    store.add([record(id="a", received=moment(1)), record(id="b", received=moment(2), **fields)])

    endings = {each.ending: each.exchanges for each in sums(store).shapes}
    assert endings == {
        Ending("translate", 200, None, Outcome.ANSWERED): 1,
        Ending("translate", 529, "overloaded_error", Outcome.UPSTREAM_ERROR): 1,
    }


def test_what_a_second_try_rescued_is_counted_apart(store):
    rescued = {"first_failure": "503 api_error", "route": "forward"}
    store.add([record(id="a", received=moment(1)), record(id="b", received=moment(2), **rescued)])

    assert {each.ending.is_rescued: each.exchanges for each in sums(store).shapes} == {
        False: 1,
        True: 1,
    }


def test_rows_of_before_there_were_shapes_are_counted_one_by_one(store):
    store.add(record(id=f"{n}", received=moment(n)) for n in range(3))
    with store.engine.begin() as connection:
        connection.execute(update(exchanges).where(exchanges.c.seq < 3).values(shape=None))

    assert [each.exchanges for each in sums(store).shapes] == [1, 1, 1]
    assert sum(each.exchanges for each in sums(store).buckets) == 3


def test_a_caller_is_its_name_or_else_the_digest_of_its_key_or_nobody(store):
    store.add(
        [
            record(id="a", received=moment(1), caller_name="nightly", caller="aaaa"),
            record(id="b", received=moment(2), caller_name="nightly", caller="bbbb"),
            record(id="c", received=moment(3), caller="aaaa"),
            record(id="d", received=moment(4), caller=None),
        ]
    )

    counted = {each.who: each.exchanges for each in sums(store).clients}
    assert counted == {"nightly": 2, "aaaa": 1, None: 1}


def test_durations_are_rounded_up_to_two_digits(store):
    durations = [0.0, 0.2, 7.0, 7.001, 99.4, 123.0, 129.4, 130.0, 130.001]
    durations += [1_890.0, 54_321.0, 98_765_432.0, 100_000_001.0]
    store.add(
        record(id=f"{n}", received=moment(n), total_ms=each) for n, each in enumerate(durations)
    )

    counted = {each.total: each.exchanges for each in sums(store).latencies}
    expected = {0: 1, 1: 1, 7: 1, 8: 1, 100: 1, 130: 3, 140: 1, 1_900: 1, 55_000: 1}
    assert counted == expected | {99_000_000: 1, 101_000_000: 1}


def test_what_never_got_to_a_first_token_has_no_time_of_it(store):
    store.add([record(id="a", received=moment(1), first_token_ms=None, first_byte_ms=31.0)])

    assert sums(store).latencies == (LatencyGroup("0123456789abcdef", 6, 31, None, 1),)


def test_steps_of_time_are_counted_from_the_epoch(store):
    hours = [0, 59 * 60, 3_600, 3_601]
    store.add(record(id=f"{n}", received=moment(each)) for n, each in enumerate(hours))

    steps = {each.step: each.exchanges for each in sums(store).buckets}
    assert steps == {DAY // HOUR: 2, DAY // HOUR + 1: 2}


def test_of_one_kind_of_adjustment_the_last_one_made_is_shown(store):
    asked = [MadeAdjustment("cap_max_tokens", "field", f"{n}", "1") for n in (3, 2)]  # type: ignore[arg-type]
    store.add(
        record(id=f"{n}", received=moment(n), adjustments=(made,)) for n, made in enumerate(asked)
    )

    [shaped] = sums(store).shapes
    assert shaped.exchanges == 2
    assert shaped.adjustments == (
        '[{"kind":"cap_max_tokens","field":"field","asked":"2","sent":"1"}]'
    )


def test_only_what_is_meant_is_counted(store):
    store.add(
        [
            record(id="a", received=moment(1), caller_name="nightly"),
            record(id="b", received=moment(2), caller_name="daily"),
            record(id="c", received="2026-11-22T23:59:59.999+00:00", caller_name="nightly"),
            record(id="d", received="2026-11-24T00:00:00.000+00:00", caller_name="nightly"),
        ]
    )

    counted = sums(store, Filter(since=DAY, until=DAY + 24 * HOUR, caller="nightly"))
    assert [each.exchanges for each in counted.shapes] == [1]
    assert oldest_received_ms(store) == DAY - 1


def test_requests_that_were_captured_are_counted_with_the_last_of_them(store):
    for number in (1, 2, 3):
        store.add(exchange(number))
    store.add([record(id="plain", received=moment(9))])

    shape = row_of_exchange(record())["shape"]
    assert sums(store).captured == (CapturedGroup(shape, 3, 3),)
    assert sums(store, Filter(since=DAY + 2_000)).captured == (CapturedGroup(shape, 2, 3),)


def test_an_empty_store_comes_to_nothing(store):
    counted = sums(store)

    assert (counted.shapes, counted.buckets, oldest_received_ms(store)) == ((), (), None)


def test_of_what_clients_choose_freely_only_the_largest_groups_come_back(store):
    programs = ["a", "b", "b", "c", "c", "c"]
    store.add(
        record(id=f"{n}", received=moment(n), user_agent=each) for n, each in enumerate(programs)
    )

    counted = aggregate(store, EVERYTHING, HOUR, most_groups=2)
    assert [each.user_agent for each in counted.clients] == ["c", "b"]
    assert sum(each.exchanges for each in counted.shapes) == 6
    assert counted.is_cut
