"""
Holdover as an operator runs it: `serve` with two workers, two upstreams, and a file of rules.

Everything is a process or a server of its own, and is asked over real sockets.
The upstreams are simulators: one speaks the Messages API, the legacy one still
has its old models. What a worker follows is asked of that worker, over a
connection that the kernel says it owns.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from proxy.simulator import create_simulator
from tests.command_line import HOLDOVER, run_process
from tests.harness import ADMIN_TOKEN, KEY, V2, body
from tests.servers import serving
from tests.waiting import PATIENCE_SECONDS, wait_for
from tests.worker_connections import Doors

_WORKERS: Final = 2


@dataclass(slots=True)
class Fleet:
    """A running Holdover, its file, and both upstreams."""

    url: str
    upstream_url: str
    legacy_url: str
    file: Path
    process: subprocess.Popen[bytes]
    client: httpx.Client
    _log: Path
    _state: Path
    _doors: Doors | None = None

    def post(
        self, headers: Mapping[str, Any] | None = None, content: bytes | None = None, **fields: Any
    ) -> httpx.Response:
        """Ask for a completion, so that it can be found again; a header that is `...` is not sent.

        Streams are read to their end, as bytes.
        """
        given = marked(headers)
        sent = content if content is not None else json.dumps(body(**fields)).encode()
        return self.client.post(f"{self.url}/v1/complete", content=sent, headers=given)

    def route_of(self, headers: Mapping[str, Any] | None = None, **fields: Any) -> str | None:
        """The rule that decides about such a request."""
        rule: str | None = self.post(headers, **fields).headers.get("holdover-rule")
        return rule

    def line_of(self, answer: httpx.Response) -> dict[str, Any]:
        """The line of the log about an exchange."""
        marker = answer.request.headers["user-agent"]
        return wait_for(lambda: next(iter(self.exchanges(marker)), None))

    def exchanges(self, marker: str = "") -> list[dict[str, Any]]:
        """The lines about exchanges, of one request or of all."""
        return [line for line in self.lines(marker) if line["event"] == "exchange"]

    def lines(self, containing: str = "") -> list[dict[str, Any]]:
        """What has been logged, by all processes; that each line is whole is part of the test."""
        *whole, _ = self._log.read_text().split("\n")
        return [json.loads(line) for line in whole if containing in line]

    def heard(self, answer: httpx.Response) -> tuple[str, dict[str, Any]]:
        """Who was asked for an answer, `messages` or `legacy`, and what arrived there."""
        marker = answer.request.headers["x-marker"]
        [(who, request)] = [
            (who, request)
            for who, requests in self.arrived().items()
            for request in requests
            if dict(request["headers"]).get("x-marker") == marker
        ]
        return who, request

    def arrived(self) -> dict[str, list[dict[str, Any]]]:
        """What both upstreams have received: the last thousand requests each."""
        urls = {"messages": self.upstream_url, "legacy": self.legacy_url}
        return {
            who: self.client.get(f"{url}/simulator/requests").json() for who, url in urls.items()
        }

    def forget(self) -> None:
        """Let both upstreams forget what they have received."""
        for url in (self.upstream_url, self.legacy_url):
            self.client.delete(f"{url}/simulator/requests")

    def ready(self) -> dict[int, dict[str, Any]]:
        """What each worker says of itself at `/readyz`."""
        return {pid: door.get("/readyz").json() for pid, door in self.doors.items()}

    def settings_of_workers(self, name: str) -> set[Any]:
        """What the workers say of their settings: one value if they agree."""
        return {ready["settings"][name] for ready in self.ready().values()}

    def metric(self, series: str) -> float:
        """A number from `/metrics`, zero if there is none yet."""
        for line in self.client.get(f"{self.url}/metrics").text.splitlines():
            name, _, value = line.rpartition(" ")
            if name == series:
                return float(value)
        return 0.0

    def text(self, rules: str, settings: str = "") -> str:
        """A settings file of this fleet; no two are the same."""
        return (
            f'# {uuid.uuid4().hex}\nupstream_url = "{self.upstream_url}"\n'
            f'legacy-url = "{self.legacy_url}"\nworkers = {_WORKERS}\nport = 0\n'
            f'state_dir = "{self._state}"\nlog_format = "json"\n'
            f'admin_token = "{ADMIN_TOKEN}"\ndigest_key = "fleet"\n{settings}\n{rules}\n'
        )

    def write(self, text: str) -> None:
        """Replace the settings file in one step, whatever is in its place."""
        beside = self.file.with_suffix(".new")
        beside.write_text(text)
        if self.file.is_dir():
            shutil.rmtree(self.file)
        beside.replace(self.file)

    def follow(self, rules: str, settings: str = "") -> None:
        """Write rules and wait until every worker goes by them."""
        with self.changing():
            self.write(self.text(rules, settings))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let the file be changed; then wait until every worker goes by another version."""
        before = self.settings_of_workers("version")
        yield
        wait_for(lambda: self._all_follow_something_but(before))

    def wait_for_problem(self, *containing: str) -> None:
        """Wait until every worker says that something is wrong with the file, in these words."""
        problems: set[Any] = set()

        def is_said() -> bool:
            nonlocal problems
            problems = self.settings_of_workers("problem")
            return all(word in (problem or "") for problem in problems for word in containing)

        wait_for(is_said, about=lambda: problems)

    def wait_for_recovery(self) -> None:
        """Wait until nothing is wrong with the file, as every worker says."""
        wait_for(lambda: self.settings_of_workers("problem") == {None})

    def _all_follow_something_but(self, before: set[Any]) -> bool:
        versions = self.settings_of_workers("version")
        return len(versions) == 1 and not versions & before

    @property
    def doors(self) -> Mapping[int, httpx.Client]:
        """By worker: a client whose connection is that worker's."""
        assert self._doors is not None
        return self._doors.by_worker()

    def open_doors(self) -> Doors:
        """Once all workers serve."""
        self._doors = Doors(self.url, lambda: self.workers, _WORKERS)
        return self._doors

    @property
    def workers(self) -> tuple[int, ...]:
        """The process ids of all workers there have ever been."""
        started = [line["event"] for line in self.lines("Started server process")]
        return tuple(int(event.partition("[")[2].rstrip("]")) for event in started)


@contextmanager
def running_fleet(
    directory: Path, rules: str = "", *, settings: str = "", **environment: str
) -> Iterator[Fleet]:
    """Start it, wait until both workers serve, and end it."""
    with ExitStack() as stack:
        fleet = Fleet(
            url="",
            upstream_url=stack.enter_context(serving(create_simulator())),
            legacy_url=stack.enter_context(serving(create_simulator(legacy_models_alive=True))),
            file=directory / "holdover.toml",
            process=None,  # type: ignore[arg-type] # it needs the file
            client=stack.enter_context(httpx.Client(timeout=PATIENCE_SECONDS)),
            _log=directory / "log",
            _state=directory / "state",
        )
        fleet.write(fleet.text(rules, settings))
        # To a file: a pipe that nobody reads would be full in no time.
        with (directory / "log").open("ab") as log:
            fleet.process = subprocess.Popen(
                [*HOLDOVER, "serve", "--config", str(fleet.file)],
                stderr=log,
                env=os.environ | environment,
            )
        stack.callback(_end, fleet.process)
        fleet.url = wait_for(lambda: _url_once_all_serve(fleet))
        doors = fleet.open_doors()
        stack.callback(doors.close)
        yield fleet


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.wait(timeout=PATIENCE_SECONDS)


def _url_once_all_serve(fleet: Fleet) -> str | None:
    lines = fleet.lines()
    assert fleet.process.poll() is None, lines
    events: list[str] = [line["event"] for line in lines]
    if events.count("Application startup complete.") < _WORKERS:
        return None
    return next(event.split()[3] for event in events if event.startswith("Uvicorn running on "))


def marked(headers: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The headers of a client; a marker in two of them tells its request apart everywhere."""
    marker = uuid.uuid4().hex
    ours = KEY | V2 | {"user-agent": f"test/{marker}", "x-marker": marker}
    return {name: value for name, value in (ours | dict(headers or {})).items() if value is not ...}


def holdover(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return run_process(*arguments)
