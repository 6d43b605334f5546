"""
Holdover as an operator runs it: `serve` with a settings file, and two upstreams behind it.

Everything is a process or a server of its own, and is asked over real sockets.
Unless a test brings others, the upstreams are simulators: one speaks the Messages API,
the legacy one still has its old models. To ask one certain worker, a test uses a connection
that the kernel says is that worker's.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from proxy.simulator import create_simulator
from tests.command_line import HOLDOVER, activated, run
from tests.harness import KEY, V2, body
from tests.processes import children_of, command_of, is_alive
from tests.servers import new_client, serving
from tests.waiting import PATIENCE_SECONDS, wait_for
from tests.worker_connections import Doors


@dataclass(slots=True)
class Fleet:
    """A running Holdover of one or more workers, its settings file, and both upstreams."""

    config: Path
    upstream_url: str
    legacy_url: str
    worker_count: int
    client: httpx.Client
    descriptors: int | None = None
    """The hard limit of each process, if not that of the tests."""
    program: Sequence[str] = tuple(HOLDOVER)
    process: subprocess.Popen[bytes] = field(init=False)
    url: str = field(init=False)
    _doors: Doors = field(init=False)

    @property
    def state_dir(self) -> Path:
        """The directory in which the workers meet."""
        return self.config.with_name("state")

    @property
    def log(self) -> Path:
        """The file that all processes log to; a pipe would be full if a test did not read it."""
        return self.config.with_name("log")

    def post(
        self, headers: Mapping[str, Any] | None = None, content: bytes | None = None, **fields: Any
    ) -> httpx.Response:
        """Ask for a completion with `marked` headers, and read its answer to the end."""
        url, given = f"{self.url}/v1/complete", marked(headers)
        if content is not None:
            return self.client.post(url, content=content, headers=given)
        return self.client.post(url, json=body(**fields), headers=given)

    def ask(
        self,
        case: str,
        *,
        version: Mapping[str, str] = V2,
        headers: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        """Ask for a completion that the rule of that name decides about; see `rule`."""
        dialect = {"anthropic-version": ...} | dict(version)
        return self.post({"x-case": case} | dialect | dict(headers or {}), **fields)

    def lines(self, event: str | None = None, **fields: object) -> list[dict[str, Any]]:
        """
        Return the lines of the log so far that have these fields.

        Each line must be whole JSON, except for what the server says as a command.
        """
        *whole, _ = self.log.read_text().split("\n")
        lines = [json.loads(line) for line in whole if not line.startswith("holdover: ")]
        wanted = fields if event is None else {"event": event} | fields
        return [line for line in lines if wanted.items() <= line.items()]

    def line(self, event: str, **fields: object) -> dict[str, Any]:
        """Return the first such line of the log, once it is there."""
        return wait_for(lambda: self.lines(event, **fields))[0]

    def record(self, answer: httpx.Response) -> dict[str, Any]:
        """Return the line of the log about the exchange that led to this answer."""
        return self.line("exchange", user_agent=answer.request.headers["user-agent"])

    def received(self, url: str, answer: httpx.Response) -> list[dict[str, Any]]:
        """Return the requests that a simulator got for this answer."""
        return self.received_with(url, "x-marker", answer.request.headers["x-marker"])

    def received_with(self, url: str, header: str, value: str) -> list[dict[str, Any]]:
        """Return the requests with this header that a simulator got, of the last thousand."""
        requests = self.client.get(f"{url}/simulator/requests").json()
        return [request for request in requests if [header, value] in request["headers"]]

    def upstream_request(self, answer: httpx.Response) -> tuple[str, dict[str, Any]]:
        """Return which upstream was asked for this answer, and the one request that it got."""
        urls = {"messages": self.upstream_url, "legacy": self.legacy_url}
        [asked] = [(who, one) for who, url in urls.items() for one in self.received(url, answer)]
        return asked

    def arrived(self) -> list[dict[str, Any]]:
        """Return what both upstreams have received: the last thousand requests of each."""
        urls = (self.upstream_url, self.legacy_url)
        answers = [self.client.get(f"{url}/simulator/requests").json() for url in urls]
        return [request for requests in answers for request in requests]

    def forget(self) -> None:
        """Let both upstreams forget what they have received."""
        for url in (self.upstream_url, self.legacy_url):
            self.client.delete(f"{url}/simulator/requests")

    def number(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all its series that have these labels."""
        text = self.client.get(f"{self.url}/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def ready(self) -> dict[int, dict[str, Any]]:
        """Return the answer of each worker to `/readyz`, by its process id."""
        return {pid: door.get("/readyz").json() for pid, door in self.doors.items()}

    def settings_of_workers(self, name: str) -> set[Any]:
        """Return what the workers report about their settings: one value if they agree."""
        return {ready["settings"][name] for ready in self.ready().values()}

    def rollout(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `holdover rollout` on the settings file."""
        return run("rollout", *arguments, "--config", str(self.config))

    def text(self, rules: str, settings: str = "") -> str:
        """Return a settings file of this fleet; no two are equal."""
        return (
            f'# {uuid.uuid4().hex}\nupstream_url = "{self.upstream_url}"\n'
            f'legacy-url = "{self.legacy_url}"\nworkers = {self.worker_count}\nport = 0\n'
            f'state_dir = "{self.state_dir}"\nlog_format = "json"\n'
            f"{settings}\n{rules}\n"
        )

    def write(self, text: str) -> None:
        """Replace the settings file in one step, even if a directory is in its place."""
        beside = self.config.with_suffix(".new")
        beside.write_text(text)
        if self.config.is_dir():
            shutil.rmtree(self.config)
        beside.replace(self.config)

    def follow(self, rules: str, settings: str = "") -> None:
        """Write rules and wait until every worker has taken them."""
        with self.changing():
            self.write(self.text(rules, settings))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let the block change the file; then wait until every worker has taken the change."""
        before = self.settings_of_workers("version")
        yield
        wait_for(lambda: self._all_follow_something_but(before))

    def wait_for_problem(self, *containing: str) -> None:
        """Wait until every worker reports a problem with the file, in these words."""
        problems: set[Any] = set()

        def is_said() -> bool:
            nonlocal problems
            problems = self.settings_of_workers("problem")
            return all(word in (problem or "") for problem in problems for word in containing)

        wait_for(is_said, about=lambda: problems)

    def wait_for_recovery(self) -> None:
        """Wait until no worker reports a problem with the file."""
        wait_for(lambda: self.settings_of_workers("problem") == {None})

    def _all_follow_something_but(self, before: set[Any]) -> bool:
        versions = self.settings_of_workers("version")
        return len(versions) == 1 and not versions & before

    @property
    def workers(self) -> tuple[int, ...]:
        """The processes that serve, oldest first; none if there is but one, the server itself."""
        children = children_of(self.process.pid)
        return tuple(pid for pid in children if b"spawn_main" in command_of(pid))

    def both_workers(self) -> tuple[int, int]:
        """Return the two processes that serve, once there are two."""
        one, other = wait_for(lambda: self.workers if len(self.workers) == 2 else None)
        return one, other

    def wait_for_successor(self, worker: int) -> None:
        """Wait until a worker has ended and another one has taken its place."""
        wait_for(lambda: worker not in self.workers and len(self.workers) == self.worker_count)

    @property
    def doors(self) -> Mapping[int, httpx.Client]:
        """A client for each worker, whose connection is that worker's."""
        return self._doors.by_worker()

    def only(self, worker: int) -> Fleet:
        """Return this fleet as one worker shows it: its client is that worker's door."""
        one = copy.copy(self)
        one.client = self.doors[worker]
        return one

    def end_worker(self, worker: int) -> None:
        """Tell one of them to stop; its place is taken by another one."""
        assert worker in self.workers
        os.kill(worker, signal.SIGTERM)

    def stop(self) -> int:
        """Stop the server, wait for it and all that it has started, and return its exit status."""
        started = children_of(self.process.pid)  # the loader has work to end when its server has
        self.process.terminate()
        try:
            status = self.process.wait(timeout=PATIENCE_SECONDS)
            wait_for(lambda: not any(map(is_alive, started)))
        finally:
            for pid in filter(is_alive, (self.process.pid, *started)):
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
        return status

    def start(
        self,
        stack: ExitStack,
        environment: Mapping[str, str],
        listener: socket.socket | None = None,
    ) -> None:
        """
        Start the server, to be stopped by the stack, and wait until all its workers serve.

        A listener is handed to it as a service manager does.
        """
        serve = ["serve", "--config", str(self.config)]
        self.log.unlink(missing_ok=True)  # another fleet's, which ran in this directory
        limited = ["sh", "-c", f'ulimit -n {self.descriptors} && exec "$@"', "sh"]
        command = [*self.program, *serve]
        if listener is not None:
            command = activated(listener.fileno(), *serve)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*(limited if self.descriptors else []), *command],
                stderr=log,
                stdout=subprocess.DEVNULL,
                env=os.environ | environment,
                pass_fds=[] if listener is None else [listener.fileno()],
            )
        stack.callback(self._stop_unless_it_has)
        self.url = wait_for(self._url_once_all_serve)
        self._doors = Doors(self.url, lambda: self.workers, self.worker_count)
        stack.callback(self._doors.close)

    def _stop_unless_it_has(self) -> None:
        if self.process.poll() is None:
            self.stop()

    def _url_once_all_serve(self) -> str | None:
        events = [line["event"] for line in self.lines()]
        assert self.process.poll() is None, events
        if events.count("Application startup complete.") < self.worker_count:
            return None
        return next(
            (event.split()[3] for event in events if event.startswith("Uvicorn runn")), None
        )


@contextmanager
def running_fleet(  # noqa: PLR0913 - a machine has many parts
    directory: Path,
    settings: str = "",
    *,
    workers: int = 1,
    upstream_url: str | None = None,
    legacy_url: str | None = None,
    descriptors: int | None = None,
    listener: socket.socket | None = None,
    program: Sequence[str] = tuple(HOLDOVER),
    **environment: str,
) -> Iterator[Fleet]:
    """
    Run `holdover serve` in a directory, with these settings and, after them, rules.

    Simulators stand in for upstreams that are not given. It opens its own listener, too, unless
    it gets one.
    """
    with ExitStack() as stack:
        legacy = create_simulator(legacy_models_alive=True)
        fleet = Fleet(
            config=directory / "holdover.toml",
            upstream_url=upstream_url or stack.enter_context(serving(create_simulator())),
            legacy_url=legacy_url or stack.enter_context(serving(legacy)),
            worker_count=workers,
            client=stack.enter_context(new_client()),
            descriptors=descriptors,
            program=program,
        )
        fleet.write(fleet.text(settings))
        fleet.start(stack, environment, listener)
        yield fleet


def rule(name: str, *lines: str) -> str:
    """Return a rule for requests with the header `x-case: NAME`."""
    match = f'match = {{ header = {{ x-case = "{name}" }} }}'
    return "\n".join(["[[rollout]]", f'name = "{name}"', match, *lines, ""])


def marked(headers: Mapping[str, Any] | None = None) -> dict[str, str]:
    """
    Return the headers of a client, with a marker in two of them that tells its request apart.

    A header that is `...` is not sent.
    """
    marker = uuid.uuid4().hex
    ours = KEY | V2 | {"user-agent": f"test/{marker}", "x-marker": marker}
    return {name: value for name, value in (ours | dict(headers or {})).items() if value is not ...}
