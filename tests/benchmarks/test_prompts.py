from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.prompts import KIB, MIB, SIZES, costs_of_a_byte, load_of, ratio_at
from tests.benchmarks.questions import TRANSLATED, prompt_of
from tests.benchmarks.samples import Sample
from tests.benchmarks.test_samples import SAMPLE


def samples_of(contender: str, fixed: float, *, per_mib: float) -> list[Sample]:
    """What each size costs someone with a fixed cost and one that grows with the bytes."""
    return [
        replace(
            SAMPLE,
            load=load_of(name).name,
            contender=contender,
            cpu_us=fixed + size / MIB * per_mib,
        )
        for name, size in SIZES.items()
    ]


def test_what_a_byte_costs_does_not_depend_on_what_a_request_costs():
    holdover = samples_of("holdover", 900, per_mib=3000)
    bare = samples_of("bare", 100, per_mib=2000)

    costs = costs_of_a_byte((*holdover, *bare))

    assert costs == {
        "size: cost of a byte : bare": pytest.approx(1.5),
        "size: linear": pytest.approx(1),
    }


def test_a_cost_that_grows_faster_than_the_prompt_is_seen():
    *small, large = samples_of("holdover", 0, per_mib=1000)
    grown = replace(large, cpu_us=large.cpu_us * 2)

    costs = costs_of_a_byte((*small, grown, *samples_of("bare", 0, per_mib=1000)))

    assert costs["size: linear"] == pytest.approx(2, rel=1e-3)
    assert costs["size: cost of a byte : bare"] == pytest.approx(2, rel=1e-3)


def test_without_one_of_the_sizes_nothing_is_said():
    samples = samples_of("holdover", 0, per_mib=1)[:-1]

    assert set(costs_of_a_byte(tuple(samples)).values()) == {None}
    assert ratio_at(tuple(samples), "8 MiB") is None


@pytest.mark.parametrize("size", [KIB, MIB + 1])
def test_a_prompt_has_the_bytes_that_were_asked_for(size):
    prompt = prompt_of(size)

    assert len(prompt.encode()) == size
    assert prompt.encode() in TRANSLATED.ask("whole", prompt).body
