"""What another version or somebody by hand has written into a store is read as far as it can be."""

import sqlite3
import time
from contextlib import closing

import pytest

from proxy.security.redaction import Redacted
from proxy.timestamps import HOUR_MS
from proxy.traffic import MadeAdjustment
from proxy.traffic.store.aggregates import ExampleKey
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.examples import adjustments_of_exchanges
from proxy.traffic.store.fingerprint import adjustment_kinds
from proxy.traffic.store.queries import find_by_id, shadows_of
from proxy.traffic.store.rollups.sums import Sums
from proxy.traffic.store.row_mapping import moment_of, row_of_exchange, row_of_shadow
from proxy.traffic.store.shadow_queries import latest_shadows
from proxy.traffic.store.stored_json import UNREADABLE_COMPARISON, read_comparison
from tests.ready_store import open_ready
from tests.record_factory import record, shadow_record

ODD = [
    "",
    "{",
    "[]",
    "7",
    '"equal"',
    '{"similarity": "much"}',
    '{"similarity": 2}',
    '{"characters": 3}',
    '{"models": ["a"]}',
    '{"equal": true, "x": ' + "[" * 100_000,
    8,
]


@pytest.fixture
def store(tmp_path):
    opened = open_ready(f"sqlite:///{tmp_path / 'traffic.db'}")
    yield opened
    opened.close()


def written_by_hand(store, statement, *values):
    path = store.engine.url.database.removeprefix("file:")
    with closing(sqlite3.connect(path)) as file:
        file.execute(statement, values)
        file.commit()


@pytest.mark.parametrize("written", ODD)
def test_a_comparison_of_an_odd_shape_is_no_comparison(written):
    assert read_comparison(written) is None


@pytest.mark.parametrize("written", ODD)
def test_a_shadow_with_a_comparison_of_an_odd_shape_says_so(store, written):
    at = moment_of(time.time_ns() // 1_000_000)
    store.add([shadow_record(id=name, ended=at) for name in ("req_a", "req_b")])
    written_by_hand(store, "UPDATE shadows SET comparison = ? WHERE exchange_id = 'req_a'", written)

    (odd,) = shadows_of(store, "req_a")
    seen = {each.id: each.is_readable for each in latest_shadows(store, 0, 10)}

    assert (odd.failure, odd.comparison) == (UNREADABLE_COMPARISON, None)
    assert seen == {"req_a": False, "req_b": True}


@pytest.mark.parametrize(
    ("failure", "counted"), [(None, UNREADABLE_COMPARISON), ("status 529", "status 529")]
)
def test_sums_count_a_comparison_of_an_odd_shape_as_failed(failure, counted):
    sums = Sums(HOUR_MS)
    shadow = row_of_shadow(shadow_record(id="req_a")) | {"comparison": "[]", "failure": failure}
    sums.add_shadow(row_of_exchange(record(id="req_a")), shadow)

    (group,) = sums.described.values()
    ((total,),) = (groups.values() for groups in sums.buckets.values())

    assert group["failure"] == counted
    assert (total.exchanges, total.similarity, total.equal) == (1, 0.0, 0)


@pytest.mark.parametrize(
    ("column", "written", "kept"),
    [
        ("features", "{}", ()),
        ("features", "[1]", ()),
        ("adjustments", "", ()),
        ("adjustments", '[{"kind": "k"}]', ()),
        ("turns", "many", None),
        ("sdk", b"\xff", None),
    ],
)
def test_of_a_record_with_a_value_of_an_odd_shape_the_rest_is_read(store, column, written, kept):
    store.add([record(id="req_a", caller_name="bot", failure=None)])
    written_by_hand(store, f"UPDATE exchanges SET {column} = ?", written)  # noqa: S608 - ours

    (found,) = find_by_id(store, "req_a", 1)

    assert getattr(found, column) == kept
    assert found.caller_name == "bot"
    assert found.failure == f"{column} of this record cannot be read"


def test_all_that_cannot_be_read_is_named_beside_the_failure(store):
    store.add([record(id="req_a", failure="it failed")])
    written_by_hand(store, "UPDATE exchanges SET features = '', adjustments = 'x'")

    (found,) = find_by_id(store, "req_a", 1)

    said = "features and adjustments of this record cannot be read"
    assert found.failure == f"it failed; {said}"


def test_a_record_without_its_outcome_cannot_be_read(store):
    store.add([record(id="req_a")])
    written_by_hand(store, "UPDATE exchanges SET outcome = 'splendid'")

    with pytest.raises(StoreError, match="the record of req_a cannot be read: outcome has another"):
        find_by_id(store, "req_a", 1)


def test_adjustments_of_an_odd_shape_are_none(store):
    store.add(
        [
            record(
                id="req_a",
                adjustments=(MadeAdjustment("drop_top_k", *map(Redacted, ("top_k", "5", ""))),),
            )
        ]
    )
    with store.engine.connect() as connection:
        when = connection.exec_driver_sql("SELECT received_ms FROM exchanges").scalar_one()
    key = ExampleKey("req_a", when)
    before = adjustments_of_exchanges(store, [key])
    written_by_hand(store, "UPDATE exchanges SET adjustments = '{}'")

    assert len(before["req_a"]) == 1
    assert adjustments_of_exchanges(store, [key]) == {"req_a": ()}
    assert adjustment_kinds("{}") == []
