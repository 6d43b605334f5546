"""A log that cannot be written costs lines, and no answers."""

import asyncio
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.simulator import create_simulator
from tests.command_line import HOLDOVER
from tests.harness import KEY, V2, body, frames
from tests.hypothesis_profiles import scaled
from tests.servers import free_port, serving
from tests.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.faults("process"), pytest.mark.unmeasured]

EXCHANGES = scaled(1_500, at_least=500)
CLIENTS = 8


def sink_of(kind: str) -> int:
    """What nothing can be written to."""
    if kind == "full disk":
        return os.open("/dev/full", os.O_WRONLY)
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.fixture(params=["full disk", "reader gone"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    sink, port = sink_of(request.param), free_port()
    with serving(create_simulator()) as upstream_url:
        process = subprocess.Popen(
            [*HOLDOVER, "serve", "--port", str(port)],
            stderr=sink,
            stdout=sink,
            env=os.environ
            | {"HOLDOVER_UPSTREAM_URL": upstream_url, "HOLDOVER_STATE_DIR": str(tmp_path)},
        )
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE_SECONDS)
    os.close(sink)


@pytest.mark.measured
@pytest.mark.one_in(2)
def test_answers_are_the_same_and_counted(url: str):
    transport = httpx.HTTPTransport(retries=10)  # until it listens
    with httpx.Client(transport=transport, headers=KEY | V2) as client:
        whole = [client.post(f"{url}/v1/complete", json=body()) for _ in range(3)]
        streamed = client.post(f"{url}/v1/complete", json=body(stream=True))
        numbers = client.get(f"{url}/metrics").text

    assert [answer.status_code for answer in whole] == [200, 200, 200]
    assert frames(streamed.content)[-1][1]["stop_reason"] == "stop_sequence"
    (count,) = [
        line for line in numbers.splitlines() if line.startswith("holdover_exchanges_total")
    ]
    assert count.endswith(" 4.0")


@contextmanager
def piped(directory: Path, workers: int, upstream_url: str) -> Iterator[tuple[str, Any]]:
    """A server whose log is a pipe that is read only by the test."""
    port = free_port()
    process = subprocess.Popen(
        [*HOLDOVER, "serve", "--port", str(port)],
        stderr=subprocess.PIPE,
        env=os.environ
        | {
            "HOLDOVER_UPSTREAM_URL": upstream_url,
            "HOLDOVER_STATE_DIR": str(directory),
            "HOLDOVER_WORKERS": str(workers),
        },
    )
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.communicate()


def read_then_stop(process: subprocess.Popen[bytes], dropped: float) -> list[dict[str, Any]]:
    """Read until so many dropped lines are told of, stop it, and read until nobody can write."""
    assert process.stderr is not None
    lines: list[dict[str, Any]] = []
    told = 0
    while told < dropped:
        lines.append(json.loads(process.stderr.readline()))
        told += lines[-1].get("count", 0)
    process.send_signal(signal.SIGTERM)
    return lines + [json.loads(line) for line in process.stderr]


async def ask(url: str, count: int, **fields: int) -> Counter[int]:
    """Ask so often, with several clients; return the statuses."""
    numbers, statuses = iter(range(count)), Counter[int]()

    async def one_client() -> None:
        transport = httpx.AsyncHTTPTransport(retries=10)  # until it listens
        async with httpx.AsyncClient(
            transport=transport, headers=KEY | V2, timeout=PATIENCE_SECONDS
        ) as client:
            for _ in numbers:
                answer = await client.post(f"{url}/v1/complete", json=body(**fields))
                statuses[answer.status_code] += 1

    await asyncio.gather(*(one_client() for _ in range(CLIENTS)))
    return statuses


def lines_dropped(metrics: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "holdover_log_lines_dropped_total"
    )


@pytest.mark.scaled
@pytest.mark.timeout(900)
@pytest.mark.one_in(2)
@pytest.mark.anyio
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_pipe_that_nobody_reads_costs_lines_and_each_is_counted(
    tmp_path: Path, workers: int
):
    count = EXCHANGES * workers
    # Each is an adjustment, so that a line has ten kilobytes: together more than buffers hold.
    unknown = {f"{number} {'word ' * 40}": 1 for number in range(40)}
    with serving(create_simulator()) as upstream, piped(tmp_path, workers, upstream) as served:
        url, process = served
        statuses = await ask(url, count, **unknown)
        async with httpx.AsyncClient() as client:
            alive = await client.get(f"{url}/healthz")
            metrics = (await client.get(f"{url}/metrics")).text
        lines = await asyncio.to_thread(read_then_stop, process, lines_dropped(metrics))

    assert statuses == {200: count}
    assert alive.status_code == 200
    dropped = [line for line in lines if line["event"] == "log_lines_dropped"]
    assert sum(line["count"] for line in dropped) == lines_dropped(metrics) > 0
    kept = sum(line["event"] == "exchange" for line in lines)
    assert kept + lines_dropped(metrics) == count
    assert all(lines[0]["timestamp"] < line["since"] < line["timestamp"] for line in dropped)


@pytest.mark.scaled
@pytest.mark.timeout(900)
@pytest.mark.one_in(2)
@pytest.mark.anyio
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_pipe_that_is_read_gets_each_line_whole_and_also_the_last(
    tmp_path: Path, workers: int
):
    with serving(create_simulator()) as upstream, piped(tmp_path, workers, upstream) as served:
        url, process = served
        reading = asyncio.create_task(asyncio.to_thread(process.stderr.read))
        await ask(url, EXCHANGES)
        process.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in (await reading).splitlines()]

    events = Counter(line["event"] for line in lines)
    finished = [line for line in lines if line["event"].startswith("Finished server process")]
    assert events["exchange"] == EXCHANGES
    assert events["log_lines_dropped"] == 0
    assert len(finished) == workers
    assert events["worker_ended"] == (workers if workers > 1 else 0)  # the supervisor's last
