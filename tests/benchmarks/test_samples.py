from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.samples import (
    DIFFERENCE,
    Sample,
    compared,
    median_of,
    of_load,
    percentile,
)

SAMPLE = Sample(
    load="whole",
    contender="holdover",
    round=0,
    per_second=1000,
    p50_ms=1,
    p99_ms=2,
    cpu_us=300,
    children_us=50,
    busy=0.9,
    kept_waiting=0.05,
    rss_mib=70,
)


def rounds_of(contender: str, *rates: float) -> list[Sample]:
    return [
        replace(SAMPLE, contender=contender, round=number, per_second=rate)
        for number, rate in enumerate(rates)
    ]


def test_a_ratio_is_taken_within_each_round():
    # The machine slowed down to a tenth in the second round, for both.
    samples = [*rounds_of("holdover", 1000, 100, 1000), *rounds_of("naive", 200, 20, 100)]

    assert compared(samples, "per_second", "holdover", "naive") == 5


def test_a_difference_is_taken_within_each_round():
    samples = [*rounds_of("holdover", 7, 8, 109), *rounds_of("upstream", 5, 5, 105)]

    assert compared(samples, "per_second", "holdover", "upstream", how=DIFFERENCE) == 3


def test_rounds_that_one_of_both_did_not_finish_are_left_out():
    samples = [*rounds_of("holdover", 10, 99, 99), *rounds_of("naive", 5)]

    assert compared(samples, "per_second", "holdover", "naive") == 2


def test_nothing_is_compared_with_who_was_not_there():
    assert compared(rounds_of("holdover", 10), "per_second", "holdover", "naive") is None


def test_a_median_is_of_one_contender():
    samples = [*rounds_of("holdover", 3, 1, 2), *rounds_of("naive", 100)]

    assert median_of(samples, "per_second", "holdover") == 2


def test_an_account_says_what_children_used_and_what_an_event_costs():
    sample = replace(SAMPLE, events=200)

    assert (sample.all_cpu_us, sample.event_cpu_us) == (350, 1.5)


def test_samples_are_found_by_their_load():
    other = replace(SAMPLE, load="bursts")

    assert of_load([SAMPLE, other], "bursts") == [other]


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_was_seen(share, value):
    assert percentile(range(100, 0, -1), share) == value


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0.01, 1))
def test_so_many_values_are_no_larger_than_a_percentile(values, share):
    found = percentile(values, share)

    assert sum(value <= found for value in values) >= share * len(values)
