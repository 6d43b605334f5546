from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.soak.samples import (
    DESCRIPTORS,
    MEMORY,
    Reading,
    growth,
    read_file,
    slope_per_hour,
    write,
)

GROWING = [Reading(60.0 * at, "worker 1", 7, MEMORY, 100.0 + at) for at in range(10)]


def test_readings_are_what_was_written(tmp_path: Path):
    readings = [*GROWING, Reading(1.5, "loader", 8, DESCRIPTORS, 9)]
    write(tmp_path / "soak.csv", readings)

    assert read_file(tmp_path / "soak.csv") == readings


def test_growth_is_that_of_the_last_process_of_a_name():
    before = [Reading(1.0, "worker 1", 6, MEMORY, 900), Reading(2.0, "worker 1", 6, MEMORY, 100)]

    assert slope_per_hour([*before, *GROWING], "worker 1", since=0) == pytest.approx(60)


def test_a_process_is_not_compared_with_the_one_that_it_replaced():
    replaced = [Reading(60.0 * at, "worker 2", at // 5, MEMORY, 100.0 + at) for at in range(10)]

    assert growth([*replaced, *GROWING], MEMORY, last_seconds=90) == {"worker 1": (101, 108)}


def test_one_reading_does_not_grow():
    assert slope_per_hour(GROWING, "worker 1", since=540) is None
