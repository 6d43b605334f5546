"""Holdover as operators run it: processes of its own by a settings file, simulators behind it."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from proxy.simulator import create_simulator
from tests.command_line import HOLDOVER, run
from tests.harness import KEY, V2, body
from tests.servers import serving
from tests.waiting import PATIENCE_SECONDS, wait_for

_MAX_ATTEMPTS = 200
_NO_TLS = ssl.create_default_context()
"""To make one is most of what a client costs."""


def new_client() -> httpx.Client:
    """One without connections, patient."""
    return httpx.Client(timeout=PATIENCE_SECONDS, verify=_NO_TLS)


def rule(name: str, *lines: str) -> str:
    """A rule for requests that say `x-case: NAME`."""
    match = f'match = {{ header = {{ x-case = "{name}" }} }}'
    return "\n".join(["[[rollout]]", f'name = "{name}"', match, *lines, ""])


@dataclass(frozen=True)
class Fleet:
    """A Holdover of one or more workers, and what stands behind it."""

    url: str
    upstream_url: str
    legacy_url: str
    config: Path
    process: subprocess.Popen[str]
    client: httpx.Client
    said: list[str] = field(default_factory=list)
    """Every line of the log so far."""

    @property
    def state_dir(self) -> Path:
        """Where its workers meet."""
        return self.config.parent / "state"

    def ask(
        self, case: str, *, version: dict[str, str] = V2, headers: Any = (), **fields: Any
    ) -> httpx.Response:
        """A legacy request that falls to the rule of that name."""
        name = uuid.uuid4().hex
        said = KEY | version | {"x-case": case, "x-ask": name, "user-agent": name} | dict(headers)
        return self.client.post(f"{self.url}/v1/complete", json=body(**fields), headers=said)

    def record(self, answer: httpx.Response) -> dict[str, Any]:
        """The line of the log about the exchange that came to this."""
        return self.line("exchange", user_agent=answer.request.headers["user-agent"])

    def lines(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """The lines of the log so far that say this."""
        lines = [json.loads(line) for line in self.said if line.startswith("{")]
        wanted = {"event": event} | fields
        return [line for line in lines if wanted.items() <= line.items()]

    def line(self, event: str, **fields: object) -> dict[str, Any]:
        """The first line of the log that says this, once it is there."""
        return wait_for(lambda: self.lines(event, **fields))[0]

    def number(self, name: str, **labels: str) -> float:
        """The sum of a metric over all series that have these labels."""
        text = self.client.get(f"{self.url}/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def received(self, url: str, answer: httpx.Response) -> list[dict[str, Any]]:
        """What a simulator has received of the exchange that came to this."""
        return self.received_with(url, "x-ask", answer.request.headers["x-ask"])

    def received_with(self, url: str, header: str, value: str) -> list[dict[str, Any]]:
        """What a simulator has received with this header; of the last thousand requests."""
        requests = self.client.get(f"{url}/simulator/requests").json()
        return [request for request in requests if [header, value] in request["headers"]]

    def rollout(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What an operator types."""
        return run("rollout", *arguments, "--config", str(self.config))

    @property
    def workers(self) -> list[int]:
        """The processes that serve, if there is more than one."""
        return [pid for pid in children_of(self.process.pid) if b"spawn_main" in command_of(pid)]

    def both_workers(self) -> tuple[int, int]:
        """The two processes that serve, once there are two."""
        one, other = wait_for(lambda: self.workers if len(self.workers) == 2 else None)
        return one, other

    @contextmanager
    def only(self, worker: int) -> Iterator[Fleet]:
        """The same through a connection, which is kept, to one worker."""
        with ExitStack() as doors:
            for _ in range(_MAX_ATTEMPTS):
                client = doors.enter_context(new_client())
                if self._owner_of(client) == worker:
                    break
            else:
                raise AssertionError(f"{worker} never answers")
            yield replace(self, client=client)

    def _owner_of(self, client: httpx.Client) -> int | None:
        """The worker that has the far end of a client's connection, as the kernel says."""
        with client.stream("GET", f"{self.url}/healthz") as answer:
            ours: int = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
            answer.read()
        ends = [f"0100007F:{int(port):04X}" for port in (self.url.rpartition(":")[2], ours)]
        rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines())
        socket = next(f"socket:[{row[9]}]" for row in rows if row[1:3] == ends)
        return next((pid for pid in self.workers if socket in files_of(pid)), None)

    def end_worker(self, worker: int) -> None:
        """Tell one of them to stop; its place is taken by another one."""
        assert worker in self.workers
        os.kill(worker, signal.SIGTERM)

    def stop(self) -> int:
        """Tell it to stop, wait for it, and say its status."""
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_SECONDS)


@contextmanager
def fleet(
    directory: Path,
    settings: str,
    *,
    workers: int = 1,
    upstream_url: str | None = None,
    legacy_url: str | None = None,
    **environment: str,
) -> Iterator[Fleet]:
    """`holdover serve` with these settings; simulators stand in for what is not given."""
    with ExitStack() as house:
        upstream_url = upstream_url or house.enter_context(serving(create_simulator()))
        legacy_url = legacy_url or house.enter_context(
            serving(create_simulator(legacy_models_alive=True))
        )
        config = directory / "holdover.toml"
        config.write_text(
            f'workers = {workers}\nstate_dir = "{directory}/state"\n'
            f'upstream_url = "{upstream_url}"\nlegacy_url = "{legacy_url}"\n{settings}'
        )
        process = subprocess.Popen(
            [*HOLDOVER, "serve", "--config", str(config), "--port", "0"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=os.environ | environment,
        )
        house.callback(_end, process)
        said: list[str] = []
        listener = threading.Thread(target=_listen, args=(process, said))
        listener.start()
        house.callback(listener.join, PATIENCE_SECONDS)
        house.callback(_end, process)
        client = house.enter_context(new_client())
        url = wait_for(lambda: _url_in(process, said))
        yield Fleet(url, upstream_url, legacy_url, config, process, client, said)


def _listen(process: subprocess.Popen[str], said: list[str]) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            said.append(line)  # noqa: PERF402 - others read while it grows


def _url_in(process: subprocess.Popen[str], said: list[str]) -> str | None:
    assert process.poll() is None, said
    events = (json.loads(line)["event"] for line in said if line.startswith("{"))
    return next((event.split()[3] for event in events if event.startswith("Uvicorn runn")), None)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    workers = children_of(process.pid)
    process.terminate()
    try:
        process.wait(timeout=PATIENCE_SECONDS)
    finally:
        for pid in (process.pid, *workers):
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    with suppress(FileNotFoundError):
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []


def command_of(pid: int) -> bytes:
    """With what a process was started; nothing if it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def files_of(pid: int) -> list[str]:
    """What a process has open."""
    with suppress(OSError):  # it may close one, or end, just now
        return [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
    return []


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    return bool(command_of(pid))
