from __future__ import annotations

import pytest

from tests.benchmarks.lifetime import grown


def test_growth_is_from_the_second_tenth_to_the_last():
    # 60 MiB cold, 70 once warm, then 1 MiB a minute.
    points = [(0.0, 60.0)] + [(at, 70 + at / 60) for at in range(30, 600, 10)]

    assert grown(points, 600) == pytest.approx(8, abs=0.1)


def test_a_soak_that_saw_too_little_says_nothing():
    assert grown([(0.0, 60.0), (1.0, 61.0)], 600) is None
