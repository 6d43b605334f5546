"""What requests asked is read in pages, and what they said for a few of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from proxy.traffic.content import Content
from proxy.traffic.store.asked import asked_since, requests_of
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.schema import exchanges
from proxy.traffic.store.store import Store
from tests.ready_store import open_ready
from tests.recorded_exchanges import exchange, kept, moment, numbered


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_ready(url)
    yield opened
    opened.close()


def names(store: Store, since: int = 0) -> list[str]:
    return [row.id for row in asked_since(store, since)]


def test_rows_have_what_was_asked(store: Store):
    store.add(
        numbered(
            1,
            asked_model="claude-2",
            max_tokens=9,
            temperature=0.5,
            top_p=0.25,
            top_k=3,
            stops=2,
            streamed=True,
            turns=4,
            features=("system", "top_k"),
            caller_name="bot",
        )
    )
    [row] = asked_since(store, 0)

    assert (row.asked_model, row.max_tokens, row.stops) == ("claude-2", 9, 2)
    assert (row.temperature, row.top_p, row.top_k) == (0.5, 0.25, 3)
    assert (bool(row.streamed), row.turns) == (True, 4)
    assert (row.caller, row.caller_name) == ("0123456789abcdef", "bot")
    assert row.feature_names == ("system", "top_k")
    assert not row.has_request


def test_the_newest_come_first_over_pages_and_none_twice(store: Store):
    store.add(numbered(*range(5)))

    assert [row.id for row in asked_since(store, 0, page=2)] == [
        f"req_{number:04}" for number in (4, 3, 2, 1, 0)
    ]
    assert names(store, milliseconds_of(moment(3))) == ["req_0004", "req_0003"]


def test_requests_of_the_same_moment_are_all_read(store: Store):
    same = [each for number in range(5) for each in exchange(number)]
    store.add(same)
    with store.writing() as connection:
        connection.execute(update(exchanges).values(received_ms=milliseconds_of(moment(0))))

    assert len({row.id for row in asked_since(store, 0, page=2)}) == 5


def test_requests_are_read_as_they_were_kept(store: Store):
    said = [each for number in range(20) for each in exchange(number, prompt=f"p{number}")]
    store.add([*said, *numbered(20)])
    rows = list(asked_since(store, 0))
    keys = [row.key for row in rows if row.has_request]
    bodies = {name: json.loads(body)["prompt"] for name, body in requests_of(store, keys)}

    assert bodies == {f"req_{number:04}": f"p{number}" for number in range(20)}
    assert not rows[0].has_request


def test_an_answer_or_a_digest_alone_is_no_request(store: Store):
    answer = Content(id="req_0001", received=moment(1), bodies=(kept("legacy_back", {}),))
    store.add([*numbered(1), answer])
    [row] = asked_since(store, 0)

    assert not row.has_request
    assert list(requests_of(store, [row.key])) == []


def test_features_that_cannot_be_read_are_none(store: Store):
    store.add(numbered(1, features=("system",)))
    with store.writing() as connection:
        connection.execute(update(exchanges).values(features="{"))
    [row] = asked_since(store, 0)

    assert row.feature_names == ()
