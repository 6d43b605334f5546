from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.report.model import Counted, Percentiles
from proxy.report.statistics import MAX_SHOWN, latency_of, percentiles, ranked
from proxy.traffic.store.rollups.sketch import ACCURACY, Sketch, count_durations


def test_the_most_frequent_come_first_and_then_the_alphabet():
    assert ranked(Counter(b=1, a=1, c=2), 4) == (
        Counted(name="c", count=2, share=0.5),
        Counted(name="a", count=1, share=0.25),
        Counted(name="b", count=1, share=0.25),
    )


def test_of_ten_thousand_only_the_first_are_shown():
    assert len(ranked(Counter({f"{n}": 1 for n in range(10_000)}), 10_000)) == MAX_SHOWN


def test_percentiles_are_durations_that_so_many_did_not_exceed():
    assert percentiles([(10, 50), (20, 45), (30, 4), (40, 1)]) == Percentiles(
        p50=10, p95=20, p99=30
    )


def test_percentiles_of_nothing_are_none():
    assert percentiles([]) is None


def test_sums_of_several_callers_are_put_together():
    assert percentiles([(20, 1), (10, 1), (20, 1)]) == Percentiles(p50=20, p95=20, p99=20)


def test_of_each_duration_only_those_count_that_have_it():
    one, another = Sketch(), Sketch()
    count_durations(one, {"total_ms": 30.0, "first_byte_ms": 20.0, "first_token_ms": None})
    for _ in range(9):
        count_durations(another, {"total_ms": 10.0, "first_byte_ms": None, "first_token_ms": None})

    found = latency_of([one, another])
    assert found.total is not None
    assert found.first_byte is not None
    assert [found.total.p50, found.total.p95, found.first_byte.p50] == pytest.approx(
        [10, 30, 20], rel=2 * ACCURACY
    )
    assert found.first_token is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30)), min_size=1))
def test_percentiles_are_the_nearest_ranks_of_all_durations_one_by_one(pairs):
    every = sorted(duration for duration, count in pairs for _ in range(count))

    found = percentiles(pairs)

    assert found is not None
    for part, value in ((50, found.p50), (95, found.p95), (99, found.p99)):
        assert value == every[-(-part * len(every) // 100) - 1]
