import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.rollout.guarding import Tally, Window, breach, total
from proxy.rules import Guard

seconds = st.floats(0.001, 600)
exchanges = st.lists(st.tuples(seconds, st.booleans()), max_size=15)


def tally(*many, errors=0):
    """A tally of these latencies, the first of which are errors."""
    tallied = Tally()
    for number, latency in enumerate(many):
        tallied.add(latency, is_error=number < errors)
    return tallied


def of(pairs):
    tallied = Tally()
    for latency, is_error in pairs:
        tallied.add(latency, is_error=is_error)
    return tallied


def test_a_tally_counts_errors_and_latencies_by_class():
    assert tally(0.001, 0.001, 0.0011, errors=2) == Tally(count=3, errors=2, latencies={0: 2, 2: 1})


def test_an_empty_tally_has_no_errors_and_takes_no_time():
    assert (Tally().error_percent, Tally().p95) == (0, 0)


def test_errors_are_in_percent():
    assert tally(1, 1, 1, 1, errors=1).error_percent == 25


@pytest.mark.parametrize("latency", [0, -0.5, 0.0001, 0.001])
def test_what_is_quicker_than_a_millisecond_took_one(latency):
    assert tally(latency).p95 == 0.001


@given(latencies=st.lists(seconds, min_size=1, max_size=60))
@example(latencies=[600.0])
@example(latencies=[0.001] * 19 + [1.0])
@example(latencies=[0.001] * 18 + [1.0] * 2)
def test_the_95th_percentile_is_within_5_percent_of_the_exact_one(latencies):
    exact = sorted(latencies)[math.ceil(0.95 * len(latencies)) - 1]

    assert exact * (1 - 1e-9) <= tally(*latencies).p95 <= exact * 1.05 * (1 + 1e-9)


@settings(max_examples=500)
@given(parts=st.lists(exchanges, max_size=3), order=st.randoms())
def test_the_sum_of_tallies_is_the_tally_of_all_in_any_order(parts, order):
    shuffled = list(parts)
    order.shuffle(shuffled)

    whole = of(pair for part in parts for pair in part)
    assert total(map(of, parts)) == whole
    assert total(map(of, shuffled)) == whole


def test_a_sum_leaves_its_parts_as_they_were():
    one = tally(0.001)

    assert total([one, one]) == Tally(count=2, latencies={0: 2})
    assert one == Tally(count=1, latencies={0: 1})


def test_a_window_forgets_what_is_older():
    window = Window(60)
    window.add(0.0, 0.1, is_error=True)
    window.add(30.0, 0.1, is_error=False)

    assert window.tally(59.9).count == 2
    assert window.tally(60.0) == tally(0.1)
    assert window.tally(90.0) == Tally()


@given(
    width=st.integers(1, 3600),
    times=st.lists(st.floats(0, 10_000), max_size=40).map(sorted),
    later=st.floats(0, 4_000),
)
def test_a_window_holds_what_is_within_and_at_most_a_60th_less(width, times, later):
    window = Window(width)
    for time in times:
        window.add(time, 1, is_error=False)
    now = (times[-1] if times else 0) + later

    count = window.tally(now).count

    within = sum(now - time < width + 1e-6 for time in times)
    surely = sum(now - time < width * 59 / 60 - 1e-6 for time in times)
    assert surely <= count <= within


ERRORS = Guard(errors_above=5, min_count=20)
LATENCY = Guard(p95_ratio=2, min_count=20)


@pytest.mark.parametrize(
    ("guard", "rule", "rest", "reason"),
    [
        # Fewer than the minimum say nothing, however bad they are.
        (ERRORS, tally(*[1] * 19, errors=19), tally(*[1] * 100), None),
        (
            ERRORS,
            tally(*[1] * 20, errors=2),
            tally(*[1] * 20),
            "10.0 % of 20 exchanges failed, beside 0.0 % outside it",
        ),
        # The rest fails as well: it is not the rule.
        (ERRORS, tally(*[1] * 20, errors=2), tally(*[1] * 20, errors=1), None),
        (
            ERRORS,
            tally(*[1] * 20, errors=3),
            tally(*[1] * 20, errors=1),
            "15.0 % of 20 exchanges failed, beside 5.0 % outside it",
        ),
        # Too few outside it: an error is an error.
        (
            ERRORS,
            tally(*[1] * 20, errors=2),
            tally(*[1] * 19, errors=19),
            "10.0 % of 20 exchanges failed, and too few outside it",
        ),
        (ERRORS, tally(*[1] * 20, errors=1), tally(), None),
        (LATENCY, tally(*[4] * 20), tally(*[4] * 20), None),
        (LATENCY, tally(*[4] * 20), tally(*[1] * 19), None),
        (LATENCY, tally(*[1.9] * 20), tally(*[1] * 20), None),
        (
            LATENCY,
            tally(*[4] * 20),
            tally(*[1] * 20),
            "95 % of 20 answers began within 4.001 s, beside 1.021 s outside it",
        ),
        # Of both, the errors are named.
        (
            Guard(errors_above=5, p95_ratio=2, min_count=1),
            tally(4, errors=1),
            tally(1),
            "100.0 % of 1 exchanges failed, beside 0.0 % outside it",
        ),
        (
            Guard(errors_above=5, p95_ratio=2, min_count=1),
            tally(4),
            tally(1),
            "95 % of 1 answers began within 4.001 s, beside 1.021 s outside it",
        ),
    ],
)
def test_a_guard_is_breached_where_a_rule_does_worse_than_the_rest(guard, rule, rest, reason):
    assert breach(guard, rule, rest) == reason


@given(rest=exchanges, errors_above=st.floats(0, 99))
def test_a_rule_that_does_as_the_rest_never_breaches_its_guard(rest, errors_above):
    guard = Guard(errors_above=errors_above, p95_ratio=1, min_count=1)

    assert breach(guard, of(rest), of(rest)) is None
