"""The last shadows, and what is kept of their exchanges, on both engines."""

from collections.abc import Iterator

import msgspec
import pytest

from proxy.traffic import Body
from proxy.traffic.content import compress
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.shadow_queries import (
    SeenShadow,
    latest_shadows,
    shadowed_exchanges,
)
from proxy.traffic.store.store import Store
from tests.ready_store import open_ready
from tests.record_factory import content, record, shadow_record
from tests.recorded_exchanges import moment

ANSWER = {"completion": " Hello"}
OTHER = {"completion": " Hullo"}


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_ready(url)
    yield opened
    opened.close()


def seen(name: str, leg: str, ended_ms: int, similarity: float | None) -> SeenShadow:
    return SeenShadow(name, leg, ended_ms, "risky", similarity == 1.0, similarity)


def fill(store: Store) -> None:
    data, other = (compress(msgspec.json.encode(said)) for said in (ANSWER, OTHER))
    bodies = tuple(
        Body(part=part, size=9, digest="d", data=kept, timing=None)
        for part, kept in (("legacy_in", data), ("legacy_back", data), ("shadow_back", other))
    )
    store.add(
        [
            record(id="a", received=moment(1)),
            record(id="b", received=moment(2)),
            content(id="a", received=moment(1), bodies=bodies),
            shadow_record(id="a", ended=moment(3), comparison={"equal": False, "similarity": 0.5}),
            shadow_record(id="a", ended=moment(4), leg="control"),
            shadow_record(id="b", ended=moment(5), failure="status 529", comparison=None),
            shadow_record(id="gone", ended=moment(6), comparison={}),
        ]
    )


def test_the_newest_shadows_come_first_and_are_no_more_than_asked_for(store):
    fill(store)

    def at(minute: int) -> int:
        return milliseconds_of(moment(minute))

    found = latest_shadows(store, at(4), 10)

    assert found == [
        seen("gone", "shadow", at(6), None),
        seen("b", "shadow", at(5), None),
        seen("a", "control", at(4), 1.0),
    ]
    assert latest_shadows(store, 0, 2) == found[:2]


def test_a_shadow_is_found_with_its_exchange_and_both_answers(store):
    fill(store)
    latest = latest_shadows(store, 0, 10)
    lost = seen("nowhere", "shadow", latest[0].ended_ms, 0.1)

    found = shadowed_exchanges(store, [*latest, lost])

    assert [(each.shadow.id, each.shadow.leg) for each in found] == [
        ("gone", "shadow"),
        ("b", "shadow"),
        ("a", "control"),
        ("a", "shadow"),
    ]
    assert [each.record and each.record.id for each in found] == [None, "b", "a", "a"]
    assert [each.answer for each in found] == [None, None, ANSWER, ANSWER]
    assert [each.shadow_answer for each in found] == [None, None, None, OTHER]
    assert shadowed_exchanges(store, []) == []
