"""A log that cannot be written costs lines, and no answers."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from proxy.simulator import create_simulator
from tests.command_line import HOLDOVER
from tests.harness import KEY, V2, body, frames
from tests.servers import free_port, serving
from tests.waiting import PATIENCE_SECONDS


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
