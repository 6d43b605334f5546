"""A new server begins beside the old one, on the same port, and then the old one ends."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.simulator import create_simulator
from tests.command_line import run_process
from tests.fleet import Fleet, running_fleet
from tests.harness import KEY, V2, body
from tests.hypothesis_profiles import scaled
from tests.servers import new_client, serving

pytestmark = pytest.mark.faults("process")

EXCHANGES = 2_000
AT_LEAST = 200
ROLLS = 8
ROLLS_AT_LEAST = 2


@dataclass(slots=True)
class Load:
    """Clients who ask without a pause, and what became of their exchanges."""

    url: str
    ended: list[str] = field(default_factory=list)
    """In words: `well`, or what went wrong."""
    is_enough: threading.Event = field(default_factory=threading.Event)

    def keep_asking(self, *, keeps: bool, stream: bool) -> None:
        """Ask again and again, on one connection or each time on a new one."""
        with new_client() as kept:
            while not self.is_enough.is_set():
                if keeps:
                    self.ended.append(self._ask(kept, stream=stream))
                else:
                    with new_client() as fresh:
                        self.ended.append(self._ask(fresh, stream=stream))

    def _ask(self, client: httpx.Client, *, stream: bool) -> str:
        headers = KEY | V2 | ({"simulate-delay-events": "20"} if stream else {})
        try:
            answer = client.post(self.url, headers=headers, json=body(stream=stream))
        except httpx.TransportError as exc:
            return repr(exc)
        is_whole = answer.status_code == 200 and '"stop_reason":"stop_sequence"' in answer.text
        return "well" if is_whole else f"{answer.status_code} {answer.text}"


KINDS = [(keeps, stream) for keeps in (True, False) for stream in (True, False)]


@contextmanager
def asked_all_the_time(url: str) -> Iterator[Load]:
    """Several clients of each kind ask while the block runs."""
    load = Load(f"{url}/v1/complete")
    with ThreadPoolExecutor(2 * len(KINDS)) as threads:
        clients = [
            threads.submit(load.keep_asking, keeps=keeps, stream=stream)
            for keeps, stream in KINDS * 2
        ]
        try:
            yield load
        finally:
            load.is_enough.set()
    for client in clients:
        client.result()


@contextmanager
def a_port(*, listens: bool) -> Iterator[socket.socket]:
    """A port that stays taken, which others may share; with somebody who listens on it or not."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        if listens:
            holder.listen(2048)
        yield holder


def replaced_again_and_again(load: Load, first: Fleet, successor: Iterator[Fleet]) -> None:
    """Start a successor and stop who was there before, until there were enough exchanges."""
    rolls, present = 0, first
    while rolls < scaled(ROLLS, at_least=ROLLS_AT_LEAST) or len(load.ended) < scaled(
        EXCHANGES, at_least=AT_LEAST
    ):
        later = next(successor)
        assert present.stop() == 0
        present, rolls = later, rolls + 1


@pytest.mark.thorough
@pytest.mark.scaled
@pytest.mark.one_in(2)
@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_activated", [True, False], ids=["socket activation", "reuse_port"])
def test_a_rolling_restart_loses_no_exchange(tmp_path: Path, is_activated):
    with (
        serving(create_simulator()) as upstream_url,
        a_port(listens=is_activated) as holder,
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
        with asked_all_the_time(first.url) as load:
            replaced_again_and_again(load, first, fleets)

    assert [one for one in load.ended if one != "well"] == []


@pytest.mark.thorough
def test_without_reuse_port_a_second_server_does_not_start(tmp_path: Path):
    with running_fleet(tmp_path) as fleet:
        port = fleet.url.rpartition(":")[2]
        second = run_process("serve", "--port", port)

        assert second.returncode == 2
        assert "Address already in use" in second.stderr
