from collections.abc import Iterator

import pytest

from proxy.timestamps import DAY_MS
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.partitions import make_days
from proxy.traffic.store.row_mapping import row_of_exchange
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store
from proxy.traffic.store.tail import Tail
from tests.ready_store import open_ready
from tests.recorded_exchanges import exchange, ids, numbered

pytestmark = pytest.mark.without_coverage

ALL = Filter()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    yield (opened := open_ready(url))
    opened.close()


def test_a_tail_hands_out_what_is_loaded_later_whenever_it_was_received(store: Store):
    store.add(numbered(5, 6))
    tail = Tail(store, ALL)

    assert ids(tail.poll()) == []

    store.add(numbered(7, 1))

    assert ids(tail.poll()) == [7, 1]
    assert ids(tail.poll()) == []


def test_a_tail_of_an_empty_store_begins_with_the_first(store: Store):
    tail = Tail(store, ALL)
    store.add(numbered(1))

    assert ids(tail.poll()) == [1]


def test_a_tail_keeps_to_the_filter(store: Store):
    tail = Tail(store, Filter(rule="mine"))
    store.add([*numbered(1, rule="mine"), *numbered(2)])

    assert ids(tail.poll()) == [1]


@pytest.mark.parametrize("limit", [0, 9])
def test_what_comes_while_the_past_is_read_belongs_to_what_follows(store: Store, limit: int):
    add_at(store, 1, 12_000)
    tail = Tail(store, ALL)
    add_at(store, 12_001)

    assert ids(tail.earlier(limit)) == [1, 12_000]
    assert ids(tail.poll()) == [12_001]


def test_of_the_past_the_last_ones_are_shown(store: Store):
    store.add(numbered(1, 2, 3))

    assert ids(Tail(store, ALL).earlier(2)) == [2, 3]


def test_a_row_that_can_be_seen_only_after_its_successors_is_not_lost(store: Store):
    """As of two loaders that commit in the other order."""
    tail = Tail(store, ALL)
    add_at(store, 7, 3, 900)

    assert ids(tail.poll()) == [3, 7, 900]

    add_at(store, 5)

    assert ids(tail.poll()) == [5]


def test_what_is_long_past_is_not_looked_at_again(store: Store):
    tail = Tail(store, ALL)
    add_at(store, 20_000)

    assert ids(tail.poll()) == [20_000]

    add_at(store, 9_999)

    assert ids(tail.poll()) == []


def test_contents_that_come_after_their_record_are_found_by_a_tail(store: Store):
    tail = Tail(store, Filter(text="needle"))
    [given, content] = exchange(1, prompt="needle")
    store.add([given])

    assert ids(tail.poll()) == []

    store.add([content])

    assert ids(tail.poll()) == [1]
    assert ids(tail.poll()) == []


def test_contents_are_not_waited_for_without_end(store: Store):
    tail = Tail(store, Filter(text="needle"))
    [given, content] = exchange(1, prompt="needle")
    store.add([given])
    for _ in range(5):
        assert ids(tail.poll()) == []

    store.add([content])

    assert ids(tail.poll()) == []


def test_a_long_absence_is_made_up_for(store: Store):
    tail = Tail(store, ALL)
    store.add(numbered(*range(1200)))

    assert ids(tail.poll()) == list(range(1200))


def add_at(store: Store, *places: int) -> None:
    """Rows at these places in the order of loading."""
    rows = [
        row_of_exchange(given) | {"seq": n}
        for n, given in zip(places, numbered(*places), strict=True)
    ]
    with store.engine.begin() as connection:
        make_days(connection, {row["received_ms"] // DAY_MS for row in rows})
        connection.execute(exchanges.insert(), rows)
