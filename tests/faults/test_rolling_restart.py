"""A new server begins beside the old one, on the same port, and then the old one ends."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from proxy.simulator import create_simulator
from tests.command_line import run_process
from tests.fleet import Fleet, running_fleet
from tests.hypothesis_profiles import scaled
from tests.load import Load, asked_all_the_time
from tests.servers import serving, taken_port

pytestmark = [pytest.mark.faults("process"), pytest.mark.unmeasured]

EXCHANGES = 2_000
AT_LEAST = 200
ROLLS = 8
ROLLS_AT_LEAST = 2


def replaced_again_and_again(load: Load, first: Fleet, successor: Iterator[Fleet]) -> None:
    """Start a successor and stop who was there before, until there were enough exchanges."""
    rolls, present = 0, first
    while rolls < scaled(ROLLS, at_least=ROLLS_AT_LEAST) or len(load.asked) < scaled(
        EXCHANGES, at_least=AT_LEAST
    ):
        later = next(successor)
        assert present.stop() == 0
        present, rolls = later, rolls + 1


@pytest.mark.scaled
@pytest.mark.one_in(2)
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("is_activated", [True, False], ids=["socket activation", "reuse_port"])
def test_a_rolling_restart_loses_no_exchange(tmp_path: Path, is_activated):
    with (
        serving(create_simulator()) as upstream_url,
        taken_port(listens=is_activated) as holder,
        ExitStack() as stack,
    ):
        environment: dict[str, Any] = {
            "HOLDOVER_REUSE_PORT": "true",
            "HOLDOVER_DRAIN_SECONDS": "0.5",
        }
        environment["HOLDOVER_PORT"] = str(holder.getsockname()[1])

        def generations() -> Iterator[Fleet]:
            for nth in range(1_000):
                directory = tmp_path / str(nth)
                directory.mkdir()
                yield stack.enter_context(
                    running_fleet(
                        directory,
                        workers=1 + nth % 2,
                        upstream_url=upstream_url,
                        legacy_url=upstream_url,
                        listener=holder if is_activated else None,
                        **environment,
                    )
                )

        fleets = generations()
        first = next(fleets)
        with asked_all_the_time(Load(first.url)) as load:
            replaced_again_and_again(load, first, fleets)

    assert load.problems == []


def test_without_reuse_port_a_second_server_does_not_start(tmp_path: Path):
    with running_fleet(tmp_path) as fleet:
        port = fleet.url.rpartition(":")[2]
        second = run_process("serve", "--port", port)

        assert second.returncode == 2
        assert "Address already in use" in second.stderr
