from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.benchmarks.__main__ import SUITES
from tests.benchmarks.targets import TARGETS, Target, Verdict, judge, verdict_on

MANY = Target(
    suite="whole",
    name="ratio",
    means="requests/s against naive",
    unit="x",
    bound=5,
    stretch=8,
    at_least=True,
)
FEW = replace(MANY, bound=2, stretch=1.6, at_least=False)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (4.99, Verdict.MISS),
        (5, Verdict.PASS),
        (7.9, Verdict.PASS),
        (8, Verdict.STRETCH),
        (None, Verdict.FAILED),
    ],
)
def test_more_can_be_better(value, verdict):
    assert verdict_on(MANY, {"ratio": value}) is verdict


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(2.01, Verdict.MISS), (2, Verdict.PASS), (1.6, Verdict.STRETCH)],
)
def test_less_can_be_better(value, verdict):
    assert verdict_on(FEW, {"ratio": value}) is verdict


def test_without_a_stretch_a_pass_is_a_pass():
    assert verdict_on(replace(MANY, stretch=None), {"ratio": 100}) is Verdict.PASS


def test_what_was_not_measured_is_neither_passed_nor_missed():
    [judged] = judge({}, [MANY])

    assert (judged.verdict, judged.measured) == (Verdict.NOT_MEASURED, None)


def test_only_misses_make_a_check_fail():
    assert [verdict for verdict in Verdict if not verdict.is_good] == [
        Verdict.MISS,
        Verdict.FAILED,
    ]


def test_every_target_has_a_suite_and_a_name_of_its_own():
    assert {target.suite for target in TARGETS} == set(SUITES)
    assert max(Counter(target.name for target in TARGETS).values()) == 1
