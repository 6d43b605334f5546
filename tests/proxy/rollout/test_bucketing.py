"""
Shares: the same for ever, only ever growing, and as large as they say.

The bounds are binomial: six standard deviations, which chance exceeds once in
500 million.
"""

import math
import os
import string
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.rollout import basis_points, bucket
from proxy.rollout.bucketing import bucket_in_steps
from proxy.rollout.rule_schema import BASIS_POINTS
from tests.hypothesis_profiles import scaled
from tests.waiting import PATIENCE_SECONDS
from translators import STEP_SIZE, completed

pytestmark = pytest.mark.without_coverage

rules = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=64)
identities = st.binary(max_size=80)
percents = st.integers(0, BASIS_POINTS).map(lambda points: points / 100)


def is_in(rule: str, identity: bytes, percent: float) -> bool:
    return bucket(rule, identity) < basis_points(percent)


def within_binomial_bounds(hits: int, count: int, probability: float) -> bool:
    deviation = math.sqrt(count * probability * (1 - probability))
    return abs(hits - count * probability) <= 6 * deviation


@given(rule=rules, identity=identities)
@example(rule="a" * 64, identity=b"")
def test_a_bucket_is_always_the_same_and_one_of_ten_thousand(rule: str, identity: bytes):
    number = bucket(rule, identity)

    assert 0 <= number < BASIS_POINTS
    assert bucket(rule, bytes(bytearray(identity))) == number


@given(rule=rules, identity=identities, percents=st.tuples(percents, percents).map(sorted))
def test_raising_a_share_moves_nobody_out_of_it(rule: str, identity: bytes, percents):
    low, high = percents

    assert is_in(rule, identity, high) or not is_in(rule, identity, low)


@given(rule=rules, identity=identities)
def test_nobody_is_in_nothing_and_everybody_is_in_everything(rule: str, identity: bytes):
    assert not is_in(rule, identity, 0)
    assert is_in(rule, identity, 100)


def test_buckets_are_those_of_every_release():
    # A new number here moves callers of running migrations back and forth.
    assert [bucket("first-callers", b"sk-ant-%d" % n) for n in range(4)] == [673, 1387, 6474, 6080]


@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_another_process_with_another_seed_gives_the_same_buckets(seed: str):
    program = (
        "from proxy.rollout import bucket;"
        "print([bucket(rule, b'caller-%d' % n) for rule in ('a', 'b') for n in range(50)])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": seed},
        timeout=PATIENCE_SECONDS,
    )

    here = [bucket(rule, b"caller-%d" % n) for rule in ("a", "b") for n in range(50)]
    assert answer.stdout.strip() == str(here)


@pytest.mark.parametrize("rule", ["quarter", "x", "first.callers_2"])
@pytest.mark.parametrize("percent", [0.01, 1, 25, 33.33, 50, 99.99])
def test_a_share_comes_out_as_large_as_it_says(rule: str, percent: float):
    hits = sum(is_in(rule, b"caller-%d" % n, percent) for n in range(20_000))

    assert within_binomial_bounds(hits, 20_000, percent / 100)


def test_every_tenth_of_the_buckets_gets_a_tenth_of_the_callers():
    tenths = [bucket("even", b"%d" % n) // 1000 for n in range(20_000)]

    assert all(within_binomial_bounds(tenths.count(n), 20_000, 0.1) for n in range(10))


def test_renaming_a_rule_draws_anew():
    both = sum(
        is_in("before", identity, 50) and is_in("after", identity, 50)
        for identity in (b"caller-%d" % n for n in range(20_000))
    )

    assert within_binomial_bounds(both, 20_000, 0.25)


def test_each_hundredth_of_a_percent_is_one_bucket():
    assert [basis_points(points / 100) for points in range(10_001)] == list(range(10_001))


@settings(max_examples=scaled(50))
@given(
    rule=rules,
    prompt=st.lists(st.sampled_from(["a", "é", "😀", "a" * (STEP_SIZE - 1)]), max_size=5).map(
        "".join
    ),
)
def test_a_long_identity_has_the_bucket_that_it_has_in_one_go(rule: str, prompt: str):
    assert completed(bucket_in_steps(rule, prompt)) == bucket(rule, prompt.encode())


def test_a_long_identity_is_hashed_part_by_part():
    assert sum(1 for _ in bucket_in_steps("r", "a" * (4 * STEP_SIZE))) == 4
