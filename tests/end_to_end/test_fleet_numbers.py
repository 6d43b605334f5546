"""`/metrics` of a fleet: whichever worker is asked, all workers together."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.end_to_end.fleet import Fleet, marked, running_fleet, wait_for
from tests.parties import body

RULES = """
[[rollout]]
name = "counted"
action = "translate"
match = { header = { x-case = "counted" } }

[[rollout]]
name = "passed-on"
action = "forward"
match = { header = { x-case = "passed-on" } }

[[rollout]]
name = "turned-away"
action = "refuse"
match = { header = { x-case = "turned-away" } }
"""
SERIES = {
    'holdover_exchanges_total{blame="nobody",route="translate",rule="counted",status="200"}': (
        3,
        5,
    ),
    'holdover_exchanges_total{blame="nobody",route="forward",rule="passed-on",status="200"}': (
        2,
        1,
    ),
    'holdover_exchanges_total{blame="nobody",route="refuse",rule="turned-away",status="410"}': (
        0,
        4,
    ),
    'holdover_exchanges_total{blame="nobody",route="translate",rule="",status="200"}': (1, 1),
}


@pytest.fixture
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), RULES) as running:
        yield running


def ask(door: httpx.Client, case: str, times: int) -> None:
    for _ in range(times):
        answer = door.post(
            "/v1/complete", headers=marked({"x-case": case}), json=body(model="claude-2.1")
        )
        assert answer.status_code in {200, 410}


def numbers(door: httpx.Client) -> dict[str, float]:
    """What a worker says of all of them."""
    lines = [line for line in door.get("/metrics").text.splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_the_numbers_of_all_workers_add_up_and_stay_when_one_of_them_dies(fleet: Fleet):
    one, other = fleet.doors.values()
    for case, (by_one, by_other) in zip(
        ("counted", "passed-on", "turned-away", "none"), SERIES.values(), strict=True
    ):
        ask(one, case, by_one)
        ask(other, case, by_other)
    expected = {series: sum(times) for series, times in SERIES.items()}

    for door in (one, other):
        said = wait_for(lambda door=door: has(numbers(door), expected))
        assert said['holdover_first_byte_seconds_count{route="translate",rule="counted"}'] == 8
        assert said['holdover_adjustments_total{kind="replace_retired_model"}'] == 10
        assert not any("pid=" in name for name in said)

    os.kill(next(iter(fleet.doors)), signal.SIGKILL)
    wait_for(lambda: len(fleet.workers) > 2)
    ask(other, "counted", 1)
    expected = {series: times + ("counted" in series) for series, times in expected.items()}

    assert wait_for(lambda: has(numbers(other), expected))


def has(said: dict[str, float], expected: dict[str, int]) -> dict[str, float]:
    """What was said if it has what is expected, else nothing."""
    return said if expected.items() <= said.items() else {}
