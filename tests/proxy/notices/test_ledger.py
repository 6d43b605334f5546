"""When something is worth a notice: laws over any course of problems, and the cases behind them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from proxy.notices.kinds import KINDS, Problem
from proxy.notices.ledger import Announcement, Ledger, Pace

PACE = Pace(over=10, between=60)


def tripped(rule: str) -> Problem:
    return Problem("guard_tripped", f"{rule} is at zero.", rule)


def course(ledger: Ledger, looks: Iterable[tuple[float, list[Problem]]]) -> list[str]:
    """What is announced, and when."""
    return [
        f"{now:g}: {said(each)}" for now, problems in looks for each in ledger.look(problems, now)
    ]


def said(each: Announcement) -> str:
    subjects = " ".join(problem.subject for problem in each.problems)
    return f"{each.kind} {each.state} {subjects} ({each.changes})"


def test_a_problem_is_announced_when_it_begins_and_when_it_has_been_over_for_a_while():
    here = [tripped("a")]
    looks = [(0, here), (1, here), (100, []), (109, []), (110, []), (111, [])]

    assert course(Ledger(PACE), looks) == [
        "0: guard_tripped began a (1)",
        "110: guard_tripped ended a (1)",
    ]


def test_what_is_gone_for_a_moment_is_not_over():
    here = [tripped("a")]
    looks = [(0, here), (100, []), (105, here), (112, here), (120, []), (129, [])]

    assert course(Ledger(PACE), looks) == ["0: guard_tripped began a (1)"]


def test_what_comes_and_goes_is_announced_once_a_minute_and_counted():
    here = [tripped("a")]
    looks = [(now, here if now // 20 % 2 == 0 else []) for now in range(0, 140, 2)]

    assert course(Ledger(PACE), looks) == [
        "0: guard_tripped began a (1)",
        "70: guard_tripped ended a (3)",
        "130: guard_tripped began a (3)",
    ]


def test_problems_of_a_kind_that_begin_within_a_minute_are_told_together():
    looks = [
        (0, [tripped("a")]),
        (10, [tripped("a"), tripped("b")]),
        (20, [tripped(name) for name in "abc"]),
        (60, [tripped(name) for name in "abc"]),
    ]

    assert course(Ledger(PACE), looks) == [
        "0: guard_tripped began a (1)",
        "60: guard_tripped began b c (2)",
    ]


def test_kinds_do_not_wait_for_each_other():
    bad = Problem("settings_bad", "The file is bad.")

    assert course(Ledger(PACE), [(0, [tripped("a")]), (1, [tripped("a"), bad])]) == [
        "0: guard_tripped began a (1)",
        "1: settings_bad began  (1)",
    ]


def test_overload_has_to_last():
    full = [Problem("refusing_requests", "Too many.")]
    looks = [(0, full), (29, full), (30, []), (31, full), (60, full), (61, full)]

    assert course(Ledger(PACE), looks) == ["61: refusing_requests began  (3)"]


def test_what_no_notice_arrived_of_is_told_again_if_it_lasts():
    ledger, lasting = Ledger(PACE), [tripped("a")]
    told = course(ledger, [(0, [tripped("b")]), (60, lasting), (61, lasting)])
    ledger.forget([("guard_tripped", "a"), ("guard_tripped", "b")])

    assert told == ["0: guard_tripped began b (1)", "60: guard_tripped began a (2)"]
    assert course(ledger, [(120, lasting), (200, lasting)]) == ["120: guard_tripped began a (0)"]


def test_what_was_told_before_a_restart_is_not_told_again():
    known = tripped("a")
    ledger = Ledger(PACE, told={("guard_tripped", "a"): known})

    assert course(ledger, [(0, []), (5, [known]), (20, [known]), (30, []), (40, [])]) == [
        "40: guard_tripped ended a (2)"
    ]


@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 40),
            st.sets(st.sampled_from(["a", "b"])),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_each_beginning_has_at_most_one_end_and_no_kind_is_told_twice_a_minute(
    steps: list[tuple[float, set[str], bool]],
):
    ledger, now = Ledger(PACE), 0.0
    told: set[tuple[str, str]] = set()
    last: dict[str, float] = {}
    for seconds, rules, is_full in steps:
        now += seconds
        problems = [tripped(rule) for rule in sorted(rules)]
        if is_full:
            problems.append(Problem("refusing_requests", "Too many."))
        for each in ledger.look(problems, now):
            keys = {(each.kind, problem.subject) for problem in each.problems}
            assert keys
            assert keys.isdisjoint(told) if each.state == "began" else keys <= told
            assert now - last.get(each.kind, -60) >= 60
            last[each.kind] = now
            told ^= keys
        assert told == ledger.told.keys()


def test_every_kind_says_what_to_do_and_that_it_is_over():
    assert all(kind.over.endswith(".") and kind.runbook for kind in KINDS.values())
