"""What shadows came to, on both engines."""

from operator import attrgetter

import pytest

from proxy.traffic import open_store
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.row_mapping import milliseconds_of
from proxy.traffic.store.shadow_aggregates import ShadowGroup, aggregate_shadows
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import moment


@pytest.fixture
def store(url: str):
    opened = open_store(url)
    yield opened
    opened.close()


def compared(number: int, similarity: float, leg: str = "shadow"):
    comparison = {"equal": similarity == 1, "similarity": similarity}
    return shadow_record(id=f"{number}", ended=moment(60), leg=leg, comparison=comparison)


def test_similarities_and_equal_answers_are_summed_by_rule_and_leg(store):
    store.add(record(id=f"{n}", received=moment(n)) for n in range(3))
    store.add([compared(0, 1.0), compared(1, 0.5), compared(2, 0.25, "control")])

    assert sorted(aggregate_shadows(store, Filter()), key=attrgetter("leg")) == [
        ShadowGroup("risky", "control", None, 1, 0.25, 0),
        ShadowGroup("risky", "shadow", None, 2, 1.5, 1),
    ]


def test_failures_are_counted_by_their_reason(store):
    store.add([record(id="0", received=moment(0))])
    store.add([shadow_record(id="0", ended=moment(1), failure="status 429", comparison=None)])

    assert aggregate_shadows(store, Filter()) == (
        ShadowGroup("risky", "shadow", "status 429", 1, None, 0),
    )


def test_only_shadows_of_the_exchanges_that_are_meant_are_counted(store):
    store.add(record(id=f"{n}", received=moment(10 * n), caller_name=f"c{n}") for n in range(3))
    store.add(compared(n, 0.5) for n in range(3))

    since = milliseconds_of(moment(10))
    assert aggregate_shadows(store, Filter(since=since, caller="c1")) == (
        ShadowGroup("risky", "shadow", None, 1, 0.5, 0),
    )
