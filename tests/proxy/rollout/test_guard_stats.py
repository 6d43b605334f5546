import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.rollout.guard_stats import (
    MAX_CALLERS,
    OTHERS,
    SlidingWindow,
    Tally,
    breach,
    merge_tallies,
    sum_tallies,
)
from proxy.rollout.rule_schema import Guard
from tests.hypothesis_profiles import scaled

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


@settings(max_examples=scaled(200))
@given(parts=st.lists(exchanges, max_size=3), order=st.randoms())
def test_the_sum_of_tallies_is_the_tally_of_all_in_any_order(parts, order):
    shuffled = list(parts)
    order.shuffle(shuffled)

    whole = of(pair for part in parts for pair in part)
    assert sum_tallies(map(of, parts)) == whole
    assert sum_tallies(map(of, shuffled)) == whole


def test_a_sum_leaves_its_parts_as_they_were():
    one = tally(0.001)

    assert sum_tallies([one, one]) == Tally(count=2, latencies={0: 2})
    assert one == Tally(count=1, latencies={0: 1})


@settings(max_examples=scaled(300))
@given(parts=st.lists(st.dictionaries(st.sampled_from("abc"), exchanges, max_size=3), max_size=4))
def test_what_workers_have_counted_adds_up_caller_by_caller(parts):
    sides = [{caller: of(pairs) for caller, pairs in part.items()} for part in parts]

    assert merge_tallies(sides) == {
        caller: of(pair for part in parts for pair in part.get(caller, []))
        for caller in {caller for part in parts for caller in part}
    }


@given(before=exchanges, part=exchanges)
def test_without_a_part_it_is_as_if_that_had_never_been(before, part):
    assert of(before + part).without(of(part)) == of(before)


def test_a_window_forgets_what_is_older():
    window = SlidingWindow(60)
    window.add(0.0, "a", 0.1, is_error=True)
    window.add(30.0, "b", 0.1, is_error=False)

    assert dict(window.tallies(59.9)) == {"a": tally(0.1, errors=1), "b": tally(0.1)}
    assert dict(window.tallies(60.0)) == {"b": tally(0.1)}
    assert dict(window.tallies(90.0)) == {}


times = st.lists(st.tuples(st.floats(0, 200), st.sampled_from("abcd"), st.booleans()), max_size=40)


@given(times=times.map(sorted), later=st.floats(0, 100))
def test_a_window_is_the_sum_of_what_is_still_within(times, later):
    """Whenever it is asked; what is forgotten leaves nothing behind."""
    window, again = SlidingWindow(60), SlidingWindow(60)
    for time, caller, is_error in times:
        window.add(time, caller, 0.1, is_error=is_error)
        window.tallies(time)
    now = (times[-1][0] if times else 0) + later
    for time, caller, is_error in times:
        if int(now) - int(time) < 60:
            again.add(time, caller, 0.1, is_error=is_error)

    assert window.tallies(now) == again.tallies(now)


@given(callers=st.lists(st.integers(0, 200).map(str), max_size=300))
@example(callers=list(map(str, range(100))))
def test_however_many_keys_are_invented_a_window_tells_so_many_apart(callers):
    window = SlidingWindow(60)
    for number, caller in enumerate(callers):
        window.add(number / 10, caller, 0.1, is_error=False)

    tallies = window.tallies(len(callers) / 10)
    assert len(tallies) <= MAX_CALLERS + 1
    assert sum(tally.count for tally in tallies.values()) == len(callers)
    if len(set(callers)) > MAX_CALLERS:
        assert tallies[OTHERS].count >= len(set(callers)) - MAX_CALLERS


def test_whoever_is_forgotten_makes_room_for_another():
    window = SlidingWindow(60)
    for caller in map(str, range(MAX_CALLERS)):
        window.add(0, caller, 0.1, is_error=False)
    window.add(30, "late", 0.1, is_error=False)
    window.add(70, "later", 0.1, is_error=False)

    assert set(window.tallies(80)) == {OTHERS, "later"}


@given(
    width=st.integers(1, 3600),
    times=st.lists(st.floats(0, 10_000), max_size=40).map(sorted),
    later=st.floats(0, 4_000),
)
def test_a_window_holds_what_is_within_and_at_most_a_60th_less(width, times, later):
    window = SlidingWindow(width)
    for time in times:
        window.add(time, "a", 1, is_error=False)
    now = (times[-1] if times else 0) + later

    count = sum_tallies(window.tallies(now).values()).count

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
            "10.0 % of 20 exchanges failed, compared with 0.0 % outside the rule",
        ),
        # The rest fails as well: it is not the rule.
        (ERRORS, tally(*[1] * 20, errors=2), tally(*[1] * 20, errors=1), None),
        (
            ERRORS,
            tally(*[1] * 20, errors=3),
            tally(*[1] * 20, errors=1),
            "15.0 % of 20 exchanges failed, compared with 5.0 % outside the rule",
        ),
        # Too few outside it: an error is an error.
        (
            ERRORS,
            tally(*[1] * 20, errors=2),
            tally(*[1] * 19, errors=19),
            "10.0 % of 20 exchanges failed, with too few outside the rule to compare",
        ),
        (ERRORS, tally(*[1] * 20, errors=1), tally(), None),
        (LATENCY, tally(*[4] * 20), tally(*[4] * 20), None),
        (LATENCY, tally(*[4] * 20), tally(*[1] * 19), None),
        (LATENCY, tally(*[1.9] * 20), tally(*[1] * 20), None),
        (
            LATENCY,
            tally(*[4] * 20),
            tally(*[1] * 20),
            "95 % of 20 answers began within 4.001 s, compared with 1.021 s outside the rule",
        ),
        # Of both, the errors are named.
        (
            Guard(errors_above=5, p95_ratio=2, min_count=1),
            tally(4, errors=1),
            tally(1),
            "100.0 % of 1 exchanges failed, compared with 0.0 % outside the rule",
        ),
        (
            Guard(errors_above=5, p95_ratio=2, min_count=1),
            tally(4),
            tally(1),
            "95 % of 1 answers began within 4.001 s, compared with 1.021 s outside the rule",
        ),
    ],
)
def test_a_guard_is_breached_where_a_rule_does_worse_than_the_rest(guard, rule, rest, reason):
    """Of one caller alone: there is nobody to compare it with."""
    assert breach(guard, {"a": rule}, {"a": rest}) == reason
    assert breach(guard, {"a": rule}, {"b": rest}) == reason


@pytest.mark.parametrize(
    ("guard", "rule", "rest", "reason"),
    [
        # However much one does, the others do well.
        (ERRORS, {"a": tally(*[1] * 500, errors=500), "b": tally(1, 1)}, {}, None),
        # Of the two others only one does.
        (
            ERRORS,
            {
                "a": tally(*[1] * 500, errors=500),
                "b": tally(*[1] * 4, errors=1),
                "c": tally(*[1] * 6),
            },
            {"a": tally(*[1] * 20)},
            "10.0 % of 10 exchanges (510 with the worst caller) failed,"
            " compared with 0.0 % outside the rule",
        ),
        # The others have done too little to go by.
        (
            ERRORS,
            {"a": tally(*[1] * 20, errors=20), "b": tally(1)},
            {},
            "95.2 % of 21 exchanges failed, with too few outside the rule to compare",
        ),
        # Nor does one who fails outside the rule hide that everybody fails by it.
        (
            ERRORS,
            {"a": tally(*[1] * 20, errors=10), "b": tally(*[1] * 20, errors=10)},
            {"c": tally(*[1] * 500, errors=500), "a": tally(*[1] * 10)},
            "50.0 % of 40 exchanges failed, compared with 0.0 % outside the rule",
        ),
        (LATENCY, {"a": tally(*[9] * 50), "b": tally(*[1] * 5)}, {"b": tally(*[1] * 20)}, None),
        (
            LATENCY,
            {"a": tally(*[9] * 50), "b": tally(*[4] * 5)},
            {"b": tally(*[1] * 20), "a": tally(*[9] * 20)},
            "95 % of 5 answers (55 with the worst caller) began within 4.001 s,"
            " compared with 1.021 s outside the rule",
        ),
    ],
)
def test_what_one_caller_does_neither_trips_a_guard_nor_holds_it(guard, rule, rest, reason):
    assert breach(guard, rule, rest) == reason


def side(callers: str, *, least: int, most: int, errors: Any) -> Any:
    """Callers who each did so much, and failed so often."""
    one = st.integers(least, most).flatmap(
        lambda count: errors(count).map(lambda failed: tally(*[1] * count, errors=failed))
    )
    return st.dictionaries(st.sampled_from(callers), one, min_size=1)


def any_share(count: int) -> Any:
    return st.integers(0, count)


def a_tenth_at_most(count: int) -> Any:
    return st.integers(0, count // 10)


def more_than_a_fifth(count: int) -> Any:
    return st.integers(count // 5 + 1, count)


def more_than_half(count: int) -> Any:
    return st.integers(count // 2 + 1, count)


def are_three(callers: Any) -> bool:
    return len(callers) >= 3


def none(_: int) -> Any:
    return st.just(0)


GUARD = Guard(errors_above=10, min_count=20)


@settings(max_examples=scaled(300))
@given(
    others=side("bcdef", least=2, most=60, errors=a_tenth_at_most),
    rest=side("abcdef", least=0, most=60, errors=any_share),
    count=st.integers(0, 600),
    data=st.data(),
)
def test_no_caller_trips_a_guard_by_which_all_others_do_well(others, rest, count, data):
    one = tally(*[1] * count, errors=data.draw(any_share(count)))

    assert breach(GUARD, {"a": one, **others}, rest) is None


@settings(max_examples=scaled(300))
@given(
    rule=side("abcdef", least=20, most=60, errors=more_than_a_fifth),
    rest=side("abcdef", least=20, most=60, errors=a_tenth_at_most),
    count=st.integers(0, 600),
    data=st.data(),
)
def test_a_guard_trips_where_every_caller_fails_whatever_one_does_elsewhere(
    rule, rest, count, data
):
    outside = tally(*[1] * count, errors=data.draw(any_share(count)))

    assert breach(GUARD, rule, rest) is not None
    assert breach(GUARD, rule, {**rest, "x": outside}) is not None


@settings(max_examples=scaled(300))
@given(
    others=side("bcdef", least=20, most=40, errors=more_than_half).filter(are_three),
    rest=side("abcdef", least=20, most=60, errors=none),
    left=st.integers(0, 6000),
)
def test_no_caller_hides_that_all_others_fail_by_leaving(others, rest, left):
    one = Tally()
    for _ in range(left):
        one.add(0.001, is_error=None)

    assert breach(GUARD, {"a": one, **others}, rest) is not None


@pytest.mark.parametrize("share", [1, 3])
def test_sides_of_another_mix_by_chance_are_not_cut_to_different_shapes(share):
    """The small ones are slower by nature, and come to a tenth of the minimum on one side alone."""
    rule = {"big": tally(*[1] * 300 * share), "b": tally(*[8] * 3 * share)}
    rest = {"big": tally(*[1] * 300), "b": tally(*[8] * 3)}

    assert breach(Guard(p95_ratio=3, min_count=50), rule, rest) is None


def test_a_few_exchanges_of_others_do_not_outweigh_one_who_asks_much():
    few = {name: tally(1, errors=int(name in "bc")) for name in "bcdef"}

    assert breach(ERRORS, {"a": tally(*[1] * 1000), **few}, {}) is None


def test_who_leaves_says_how_long_it_waited_and_nothing_of_failure():
    waited = tally(1, 1, errors=1)
    waited.add(9, is_error=None)

    assert (waited.count, waited.errors, waited.waits) == (2, 1, 3)
    assert waited.error_percent == 50
    assert waited.p95 == pytest.approx(9, rel=0.05)


@given(rest=st.dictionaries(st.sampled_from("abc"), exchanges), errors_above=st.floats(0, 99))
def test_a_rule_that_does_as_the_rest_never_breaches_its_guard(rest, errors_above):
    guard = Guard(errors_above=errors_above, p95_ratio=1, min_count=1)
    tallies = {caller: of(pairs) for caller, pairs in rest.items()}

    assert breach(guard, tallies, tallies) is None
