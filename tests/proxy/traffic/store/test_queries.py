from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from proxy.security.redaction import Redacted
from proxy.traffic import MadeAdjustment, default_url
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.queries import (
    FoundExchange,
    bodies_of,
    find,
    find_by_id,
    has_contents_of,
    latest,
    names_in,
    page_before,
    shadows_of,
)
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store
from proxy.traffic.store.tail import Tail
from tests.proxy.traffic.store.test_rollup_plans import queries
from tests.ready_store import open_ready
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import exchange, ids, kept, moment, numbered

pytestmark = pytest.mark.without_coverage

ALL = Filter()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    yield (opened := open_ready(url))
    opened.close()


def test_the_newest_come_last_whenever_they_were_loaded(store: Store):
    store.add(numbered(3, 1))
    store.add(numbered(2, 4))

    assert ids(latest(store, ALL, 3)) == [2, 3, 4]
    assert ids(latest(store, ALL, 9)) == ids(find(store, ALL)) == [1, 2, 3, 4]


def test_names_are_those_of_any_record_once_each(store: Store):
    store.add(numbered(1, 2, caller_name="nightly", rule="old"))
    store.add([*numbered(3, caller_name="ads"), *numbered(4)])

    assert sorted(names_in(store, "caller_name")) == ["ads", "nightly"]
    assert names_in(store, "rule") == ["old"]


def test_a_record_comes_back_as_it_was(store: Store):
    [given] = numbered(1, features=("system",), temperature=0.5, caller_name="nightly")
    store.add([given])

    assert latest(store, ALL, 1) == [FoundExchange(1, given)]


def test_more_than_a_page_is_read_page_by_page_each_once(store: Store):
    """Even where all have the same time."""
    same = [record(id=f"req_{n:04}", received=moment(7)) for n in range(1200)]
    store.add(same)

    assert ids(find(store, ALL)) == list(range(1200))
    assert ids(latest(store, ALL, 1100)) == list(range(100, 1200))


@pytest.mark.measured
def test_a_page_that_is_just_full_is_not_the_last_for_certain(store: Store):
    store.add(numbered(*range(1000)))

    assert ids(find(store, ALL)) == list(range(1000))
    assert ids(latest(store, ALL, 2000)) == list(range(1000))


@pytest.mark.thorough
@pytest.mark.parametrize("wanted", [ALL, Filter(since=1, until=2**60)])
@pytest.mark.parametrize("read", [find, partial(latest, limit=10_000)])
def test_each_page_costs_the_same(tmp_path: Path, wanted: Filter, read: Any):
    """The filter's bound was once looked up in the index, so that each page read all before it."""
    store = open_ready(default_url(tmp_path))
    costs: list[int] = []
    for first in (0, 2_500):
        store.add(numbered(*range(first, first + 2_500)))
        with store.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
        costs.append(0)

        def count() -> None:
            costs[-1] += 1

        driver.set_progress_handler(count, 100)
        assert len(list(read(store, wanted))) == first + 2_500
        driver.set_progress_handler(None, 0)
    store.close()

    assert costs[1] < 2.1 * costs[0]


def test_the_newest_are_looked_up_by_their_time_and_nothing_is_sorted(tmp_path: Path):
    store = open_ready(default_url(tmp_path))
    compiled = (
        exchanges.select()
        .order_by(exchanges.c.received_ms.desc(), exchanges.c.seq.desc())
        .limit(500)
    )
    with store.engine.connect() as connection:
        steps = connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"), {"param_1": 1}).all()

    store.close()
    assert ["USING INDEX ix_exchanges_received_ms" in step.detail for step in steps] == [True]


def test_text_is_found_in_contents_and_in_the_record(store: Store):
    store.add(exchange(1, prompt="\n\nHuman: Where is my\nparcel?\n\nAssistant:"))
    store.add(exchange(2, completion=" It is in the Parcel centre."))
    store.add(exchange(3, user_agent="parcel-tracker/1.0"))
    store.add(exchange(4))
    store.add(numbered(5, user_agent="parcel-tracker/1.0"))
    store.add(numbered(6))

    assert ids(latest(store, Filter(text="PARCEL"), 50)) == [1, 2, 3, 5]
    assert ids(latest(store, Filter(text="parcel"), 2)) == [3, 5]
    assert ids(find(store, Filter(text="my parcel?"))) == [1]
    assert ids(find(store, Filter(text="parcel%"))) == []


def test_names_of_fields_are_no_text(store: Store):
    words = ("prompt", "3 spaces", "none")
    store.add(numbered(1, adjustments=(MadeAdjustment("trim_prefill", *map(Redacted, words)),)))

    assert ids(find(store, Filter(text="kind"))) == []
    assert ids(find(store, Filter(text="3 Spaces"))) == [1]


def test_text_is_looked_for_beyond_the_first_page(store: Store):
    store.add(exchange(1, prompt="needle"))
    for first in range(2, 602, 100):
        store.add([entry for n in range(first, first + 100) for entry in exchange(n)])

    assert ids(latest(store, Filter(text="needle"), 50)) == [1]


def test_bodies_of_which_only_the_digest_is_kept_are_no_contents(store: Store):
    [given, content] = exchange(1, prompt="needle")
    bare = tuple(replace(body, data=None) for body in content.bodies)
    store.add([given, replace(content, bodies=bare)])

    assert ids(find(store, Filter(text="needle"))) == []
    assert not has_contents_of(store, ALL)


def test_whether_there_are_contents_is_asked_of_what_is_meant(store: Store):
    store.add([*exchange(1, rule="kept"), *numbered(2, rule="bare")])

    assert has_contents_of(store, ALL)
    assert has_contents_of(store, Filter(rule="kept"))
    assert not has_contents_of(store, Filter(rule="bare"))


def test_where_no_contents_are_kept_none_are_looked_for(store: Store):
    store.add(numbered(1, 2, user_agent="Needle"))
    with queries(store) as asked:
        assert not has_contents_of(store, Filter(text="needle", rule="kept"))
        [(at_once, _)] = asked
        found = latest(store, Filter(text="needle", in_records_only=True), 9)

    assert "exchanges" not in at_once
    assert ids(found) == [1, 2]
    assert not any("EXISTS" in statement for statement, _ in asked)


def test_contents_of_another_time_are_none_of_what_is_meant(store: Store):
    store.add([*exchange(1), *numbered(5)])
    first, fifth = (milliseconds_of(moment(number)) for number in (1, 5))

    assert has_contents_of(store, Filter(since=first, until=first + 1))
    assert not has_contents_of(store, Filter(since=fifth))
    assert not has_contents_of(store, Filter(until=first))


def test_an_exchange_is_named_by_our_id_by_upstreams_or_by_how_they_begin(store: Store):
    store.add(
        [
            record(id="req_ab", request_id="req_011CZ"),
            record(id="req_abc", request_id="req_011CZA"),
            record(id="req_b%", request_id="req_011CB"),
        ]
    )

    def named_ids(name: str, most: int = 9) -> list[str]:
        return [each.id for each in find_by_id(store, name, most)]

    assert named_ids("req_ab") == ["req_ab"]
    assert named_ids("req_011CZ") == ["req_ab"]
    assert named_ids("req_a") == ["req_ab", "req_abc"]
    assert named_ids("req_011CB") == ["req_b%"]
    assert named_ids("req_b%") == named_ids("req_b") == ["req_b%"]
    assert named_ids("req_0", most=2) == ["req_ab", "req_abc"]
    assert named_ids("req_%") == named_ids("nothing") == []


def test_shadows_and_bodies_come_in_order(store: Store):
    shadow, control = shadow_record(), shadow_record(leg="control", failure="x", comparison=None)
    [given, content] = exchange(1)
    parts = (kept("legacy_back", {}), kept("messages_out", {}), kept("legacy_in", b"Hi"))
    later = [kept(part, {}) for part in ("of_a_later_version", "control_back", "shadow_back")]
    store.add([replace(content, bodies=(part,)) for part in later])
    store.add([shadow, control, given, replace(content, bodies=parts)])

    assert shadows_of(store, shadow.id) == [control, shadow]
    assert shadows_of(store, "req_0001") == []
    assert bodies_of(store, given) == [*parts[::-1], *later[::-1]]


def test_reading_does_not_stand_in_the_way_of_the_loader(store: Store):
    store.add(numbered(*range(600)))
    reading = find(store, ALL)
    next(reading)
    tail = Tail(store, ALL)

    store.add(numbered(600))
    following = tail.poll()
    next(following)
    store.add(numbered(601))

    assert ids(reading) == [*range(1, 602)]


def all_pages(store: Store, wanted: Filter, rows: int) -> list[list[int]]:
    """Return the pages from the newest on, each as numbers of its exchanges."""
    place, pages = None, []
    while True:
        page = page_before(store, wanted, place, rows)
        pages.append(ids(page.found))
        if (place := page.older) is None:
            return pages


def test_pages_go_back_in_time_without_a_gap_or_a_repetition(store: Store):
    """Even where several have one time, and whatever is loaded meanwhile."""
    store.add([*numbered(5, 1), *(record(id=f"req_{n:04}", received=moment(3)) for n in (2, 3, 4))])

    assert all_pages(store, ALL, 2) == [[5, 4], [3, 2], [1]]
    assert all_pages(store, ALL, 5) == [[5, 4, 3, 2, 1]]
    first = page_before(store, ALL, None, 2)
    store.add(numbered(6, 7))
    assert ids(page_before(store, ALL, first.older, 2).found) == [3, 2]


def test_pages_are_of_what_meets_the_filter(store: Store):
    store.add([*numbered(1, 2, 4, rule="x"), *numbered(3, 5)])
    store.add([each for n in (6, 7, 8) for each in exchange(n, prompt="a needle")])
    until = milliseconds_of(moment(4))

    assert all_pages(store, Filter(rule="x"), 1) == [[4], [2], [1]]
    assert all_pages(store, Filter(rule="x", until=until), 1) == [[2], [1]]
    assert all_pages(store, Filter(text="NEEDLE"), 2) == [[8, 7], [6]]
    assert all_pages(store, Filter(rule="none"), 1) == [[]]
