"""`/metrics` of a fleet: whichever worker is asked, all workers together."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from hashlib import sha256

import httpx
import pytest

from tests.fleet import Fleet, marked, running_fleet
from tests.harness import KEY, body
from tests.waiting import wait_for

pytestmark = pytest.mark.unmeasured

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

[[rollout]]
name = "part"
action = "translate"
share = 25
match = { header = { x-case = "part" } }
"""
CALLER = f"""
[callers.ours]
token = "sha256:{sha256(KEY["x-api-key"].encode()).hexdigest()}"
"""
TIMES = {"counted": (3, 5), "passed-on": (2, 1), "turned-away": (0, 4), "none": (1, 1)}
"""How often each worker is asked."""
TOGETHER = {
    'first_byte_seconds_count{route="translate",rule="counted"}': 8,
    'exchange_duration_seconds_count{route="translate",rule="counted"}': 8,
    'exchange_duration_seconds_bucket{le="+Inf",route="forward",rule="passed-on"}': 3,
    'caller_exchanges_total{caller="ours",route="translate"}': 10,
    'caller_exchanges_total{caller="ours",route="refuse"}': 4,
    'override_active{route="forward"}': 0,
    'rule_share_ratio{rule="counted"}': 1,
    'rule_share_ratio{rule="part"}': 0.25,
}
"""What the answers to all of them come to."""
WRITTEN = 'direction="output",route="translate",rule="counted"'
LABELS = {
    "counted": 'blame="nobody",route="translate",rule="counted",status="200"',
    "passed-on": 'blame="nobody",route="forward",rule="passed-on",status="200"',
    "turned-away": 'blame="nobody",route="refuse",rule="turned-away",status="410"',
    "none": 'blame="nobody",route="translate",rule="",status="200"',
}


@pytest.fixture
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("fleet"), CALLER + RULES, workers=2) as running:
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


def wait_for_numbers(door: httpx.Client, times: dict[str, int]) -> dict[str, float]:
    """What a worker says once all exchanges are counted; the last is, soon after it ended."""
    expected = {f"holdover_exchanges_total{{{LABELS[case]}}}": times[case] for case in times}

    def said() -> dict[str, float]:
        found = numbers(door)
        return found if expected.items() <= found.items() else {}

    return wait_for(said)


def passed(said: dict[str, float]) -> dict[str, float]:
    """Requests for other paths, by their labels, once there are three."""
    start = "holdover_passthrough_requests_total{"
    found = {name[len(start) : -1]: value for name, value in said.items() if name.startswith(start)}
    return found if sum(found.values()) == 3 else {}


def test_streams_connections_and_other_paths_are_shown(fleet: Fleet):
    one, other = fleet.doors.values()
    active = 'holdover_upstream_connections{purpose="exchanges",state="active"}'
    headers = marked({"simulate-delay-events": "200"})
    with other.stream("POST", "/v1/complete", json=body(stream=True), headers=headers) as answer:
        wait_for(lambda: numbers(one)["holdover_streams_running"] == 1)
        wait_for(lambda: numbers(one)[active] == 1)
        answer.read()
    wait_for(lambda: numbers(one)["holdover_streams_running"] == 0)
    wait_for(lambda: numbers(one)[active] == 0)
    other.post(
        "/v1/complete", json=body(), headers=marked()
    )  # a stream may end with its connection
    wait_for(lambda: numbers(one)[active.replace("active", "idle")] >= 1)
    for path in ("/v1/models", "/v1/models/claude-haiku-4-5", "/v1/modelsx"):
        other.get(path, headers=marked())

    said = wait_for(lambda: passed(numbers(one)))
    assert said == {'path="/v1/models",status="200"': 2, 'path="other",status="404"': 1}


def test_the_numbers_of_all_workers_add_up_and_stay_when_one_of_them_dies(fleet: Fleet):
    (doomed, one), (_, other) = fleet.doors.items()
    for case, (by_one, by_other) in TIMES.items():
        ask(one, case, by_one)
        ask(other, case, by_other)
    expected = {case: sum(times) for case, times in TIMES.items()}

    for door in (one, other):
        said = wait_for_numbers(door, expected)
        for name, value in TOGETHER.items():
            assert said[f"holdover_{name}"] == value
        assert said[f"holdover_tokens_total{{{WRITTEN}}}"] > 8
        assert said['holdover_adjustments_total{kind="replace_retired_model"}'] == 10
        assert not any("pid=" in name for name in said)

    os.kill(doomed, signal.SIGKILL)
    fleet.wait_for_successor(doomed)
    ask(other, "counted", 1)

    assert wait_for_numbers(other, expected | {"counted": 9})
