"""What is counted in the database, on both engines."""

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pytest

from proxy.errors import Blame
from proxy.outcome import Outcome
from proxy.timestamps import DAY_MS, HOUR_MS, MINUTE_MS
from proxy.traffic import Content
from proxy.traffic.record import MadeAdjustment, ShadowRecord, TrafficRecord
from proxy.traffic.store.aggregates import (
    NOBODY,
    Aggregates,
    Ending,
    ExampleKey,
    ShadowGroup,
    ShapeExample,
    ShapeGroup,
    aggregate,
    aggregate_callers,
    caller_names,
    coarsest_step_ms,
    examples_of,
    is_known_caller,
    oldest_received_ms,
)
from proxy.traffic.store.queries import latest_of_caller
from proxy.traffic.store.retention import compact
from proxy.traffic.store.rollups.period import Period
from proxy.traffic.store.rollups.sketch import ACCURACY, DURATIONS, counts_of
from proxy.traffic.store.row_mapping import milliseconds_of, row_of_exchange
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_index.search import Span
from tests.ready_store import open_ready
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import exchange, kept, moment

pytestmark = pytest.mark.without_coverage

DAY = 1_795_392_000_000  # 2026-11-23
HOUR = 3_600_000
TODAY = Period(DAY, DAY + 24 * HOUR)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_ready(url)
    yield opened
    opened.close()


def sums(store: Store, caller: str | None = None, **options: Any) -> Aggregates:
    with store.reading() as connection:
        return aggregate(connection, TODAY, caller, HOUR, **options)


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
            captured=0,
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


def test_a_caller_is_its_name_or_else_the_digest_of_its_key_or_nobody(store):
    store.add(
        [
            record(id="a", received=moment(1), caller_name="nightly", caller="aaaa"),
            record(id="b", received=moment(2), caller_name="nightly", caller="bbbb"),
            record(id="c", received=moment(3), caller="aaaa"),
            record(id="d", received=moment(4), caller=None),
        ]
    )

    counted = Counter(each.who for each in sums(store).clients)
    assert counted == {"nightly": 2, "aaaa": 1, None: 1}


def test_durations_are_counted_with_the_programs_of_a_caller(store):
    store.add([record(id="a", received=moment(1), first_token_ms=None, first_byte_ms=31.0)])

    [client] = sums(store).clients
    assert [[count for _, count in counts_of(client.latency, name)] for name in DURATIONS] == [
        [1],
        [1],
        [],
    ]
    [(milliseconds, _)] = counts_of(client.latency, "first_byte_ms")
    assert milliseconds == pytest.approx(31, rel=ACCURACY)


def test_steps_of_time_are_counted_from_the_epoch(store):
    hours = [0, 59 * 60, 3_600, 3_601]
    store.add(record(id=f"{n}", received=moment(each)) for n, each in enumerate(hours))

    steps = {each.step: each.exchanges for each in sums(store).buckets}
    assert steps == {DAY // HOUR: 2, DAY // HOUR + 1: 2}


def test_shapes_have_the_kinds_of_their_adjustments(store):
    asked = [MadeAdjustment("cap_max_tokens", "field", f"{n}", "1") for n in (3, 2)]  # type: ignore[arg-type]
    store.add(
        record(id=f"{n}", received=moment(n), adjustments=(made,)) for n, made in enumerate(asked)
    )

    [shaped] = sums(store).shapes
    assert (shaped.exchanges, shaped.adjustments) == (2, '["cap_max_tokens"]')


def test_only_what_is_meant_is_counted(store):
    store.add(
        [
            record(id="a", received=moment(1), caller_name="nightly"),
            record(id="b", received=moment(2), caller_name="daily"),
            record(id="c", received="2026-11-22T23:59:59.999+00:00", caller_name="nightly"),
            record(id="d", received="2026-11-24T00:00:00.000+00:00", caller_name="nightly"),
        ]
    )

    counted = sums(store, "nightly")
    assert [each.exchanges for each in counted.shapes] == [1]
    assert [each.exchanges for each in counted.clients] == [1]
    assert [each.exchanges for each in counted.buckets] == [1]
    with store.reading() as connection:
        assert oldest_received_ms(connection) == DAY - 1
        assert sorted(caller_names(connection)) == ["daily", "nightly"]


def test_a_caller_may_be_meant_by_the_start_of_its_digest(store):
    store.add([record(id="a", received=moment(1), caller_name="nightly", caller="abcd")])

    assert [each.exchanges for each in sums(store, "ab").shapes] == [1]
    assert sums(store, "abce").shapes == ()


def test_examples_are_the_last_of_a_shape_and_the_last_that_was_captured(store):
    for number in (1, 200, 400):
        store.add(exchange(number))
    store.add([record(id="plain", received=moment(600))])

    [shaped] = sums(store).shapes
    with store.reading() as connection:
        found = examples_of(connection, TODAY, [shaped.shape])
    assert (shaped.exchanges, shaped.captured) == (4, 3)
    assert found == {
        shaped.shape: ShapeExample(
            ExampleKey("plain", milliseconds_of(moment(600))),
            ExampleKey("req_0400", milliseconds_of(moment(400))),
        )
    }


def test_an_empty_store_comes_to_nothing(store):
    counted = sums(store)

    assert (counted.shapes, counted.buckets) == ((), ())
    with store.reading() as connection:
        assert oldest_received_ms(connection) is None
        assert coarsest_step_ms(connection, TODAY) == MINUTE_MS


def test_of_what_clients_choose_freely_only_the_largest_groups_come_back(store):
    programs = ["a", "b", "b", "c", "c", "c"]
    store.add(
        record(id=f"{n}", received=moment(n), user_agent=each) for n, each in enumerate(programs)
    )

    counted = sums(store, most_groups=2)
    assert [each.user_agent for each in counted.clients] == ["c", "b"]
    assert sum(each.exchanges for each in counted.shapes) == 6


@pytest.mark.measured
def test_durations_are_counted_however_many_programs_there_are_and_only_of_those_that_come_back(
    store,
):
    store.add(record(id=f"{n}", received=moment(n), user_agent=f"program {n}") for n in range(202))

    counted = sums(store, most_groups=201)
    assert len(counted.clients) == 201
    assert {
        sum(count for _, count in counts_of(each.latency, "total_ms")) for each in counted.clients
    } == {1}


@pytest.mark.measured
def test_the_coarsest_step_is_that_of_the_oldest_sums(store):
    store.add([record(received=moment(0))])
    seen: list[int] = []
    for days in (0, 2, 10):
        compact(store, now_ms=DAY + days * DAY_MS, most_steps=100)
        with store.reading() as connection:
            seen.append(coarsest_step_ms(connection, TODAY))

    assert seen == [MINUTE_MS, HOUR_MS, DAY_MS]


def compared(number: int, similarity: float, leg: str = "shadow") -> ShadowRecord:
    comparison = {"equal": similarity == 1, "similarity": similarity}
    return shadow_record(id=f"{number}", ended=moment(60), leg=leg, comparison=comparison)


def test_similarities_and_equal_answers_are_summed_by_rule_and_leg(store):
    store.add(record(id=f"{n}", received=moment(n)) for n in range(3))
    store.add([compared(0, 1.0), compared(1, 0.5), compared(2, 0.25, "control")])

    assert sorted(sums(store).shadows, key=attrgetter("leg")) == [
        ShadowGroup("risky", "control", None, 1, 0.25, 0),
        ShadowGroup("risky", "shadow", None, 2, 1.5, 1),
    ]


def test_failures_of_shadows_are_counted_by_their_reason(store):
    store.add([record(id="0", received=moment(0))])
    store.add([shadow_record(id="0", ended=moment(1), failure="status 429", comparison=None)])

    assert sums(store).shadows == (ShadowGroup("risky", "shadow", "status 429", 1, 0.0, 0),)


def test_only_shadows_of_the_exchanges_that_are_meant_are_counted(store):
    store.add(record(id=f"{n}", received=moment(10 * n), caller_name=f"c{n}") for n in range(3))
    store.add(compared(n, 0.5) for n in range(3))

    assert sums(store, "c1").shadows == (ShadowGroup("risky", "shadow", None, 1, 0.5, 0),)


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_whichever_of_an_exchange_and_what_belongs_to_it_comes_first_all_are_counted(store, first):
    of, content = exchange(1, prompt="\n\nHuman: Why?\n\nAssistant:")
    entries = [of, content, compared_with("req_0001"), said_by_shadow(of)]
    store.add([entries.pop(first)])
    for entry in entries:
        store.add([entry])

    [shaped], [shadowed] = sums(store).shapes, sums(store).shadows
    assert (shaped.exchanges, shaped.captured, shadowed.exchanges) == (1, 1, 1)


def test_the_text_of_a_shadow_alone_is_no_captured_request(store):
    of, _ = exchange(1)
    store.add([of, said_by_shadow(of)])

    [shaped] = sums(store).shapes
    assert (shaped.exchanges, shaped.captured) == (1, 0)


def said_by_shadow(of: TrafficRecord) -> Content:
    bodies = kept("shadow_back", {"completion": "Hi"}), kept("control_back", {"completion": "Ho"})
    return Content(id=of.id, received=of.received, bodies=bodies)


def compared_with(exchange_id: str) -> ShadowRecord:
    return shadow_record(id=exchange_id, ended=moment(60))


def some_callers(store: Store) -> None:
    store.add(
        [
            record(id="a", received=moment(1), caller_name="nightly", caller="a" * 16),
            record(id="b", received=moment(2), caller="b" * 16),
            record(id="c", received=moment(3), caller="bb" + "c" * 14),
            record(id="d", received=moment(4), caller=None),
            record(id="e", received=moment(5), caller="b" * 16, caller_name="bb"),
        ]
    )


@pytest.mark.parametrize(
    ("caller", "names", "is_exact", "found"),
    [
        ("bb", {}, False, "bce"),
        ("bb", {}, True, "e"),
        ("b" * 16, {}, True, "b"),
        ("nightly", {"b" * 16: "nightly", "f" * 16: "weekly"}, True, "ab"),
        ("nightly", {"b" * 16: "nightly", "f" * 16: "weekly"}, False, "ab"),
        (NOBODY, {}, True, "d"),
        ("none of these", {}, True, ""),
    ],
)
def test_one_caller_can_be_meant_exactly_and_its_digests_can_have_a_name(
    store, caller, names, is_exact, found
):
    some_callers(store)

    whole = sums(store, caller, names=names, is_exact=is_exact)

    assert sum(each.exchanges for each in whole.shapes) == len(found)
    assert sum(each.exchanges for each in whole.clients) == len(found)
    assert sum(each.exchanges for each in whole.buckets) == len(found)
    if is_exact:
        digests = [digest for digest, name in names.items() if name == caller]
        span = Span(TODAY.begin_ms, TODAY.end_ms)
        records = latest_of_caller(store, caller, digests, span, 10)
        assert [each.id for each in records] == sorted(found, reverse=True)


def test_a_caller_is_known_by_its_name_or_else_its_digest(store):
    some_callers(store)

    with store.reading() as connection:
        known = [
            is_known_caller(connection, caller)
            for caller in ("nightly", "b" * 16, NOBODY, "a" * 16, "bbb")
        ]
    assert known == [True, True, True, False, False]


def test_callers_are_summed_up_without_what_takes_long(store):
    some_callers(store)

    with store.reading() as connection:
        found = aggregate_callers(connection, TODAY)
        whole = aggregate(connection, TODAY, None, HOUR)
    assert found.shapes == whole.shapes
    assert [each.exchanges for each in found.clients] == [each.exchanges for each in whole.clients]
    assert (found.buckets, found.shadows, found.clients[0].latency) == ((), (), {})
