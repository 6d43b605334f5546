"""
A proxy on loopback for old clients, and behind it a simulator that follows a script.

Old clients can set no headers, so what the simulator is to do differently is put into their
requests here, between Holdover and the simulator.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from proxy.simulator import create_simulator
from tests.harness import ProxyUnderTest, running_proxy
from tests.waiting import PATIENCE_SECONDS

Headers: TypeAlias = list[tuple[bytes, bytes]]
Simulated: TypeAlias = Mapping[str, object]
"""The simulator's headers, without their prefix."""


@dataclass(slots=True)
class _ScriptedSimulator:
    """A simulator whose requests get headers that the client did not send."""

    simulator: ASGIApp
    always: Headers
    turns: list[Headers]
    """What is added to the first request, to the second, and so on."""
    arrivals: list[float] = field(default_factory=list)
    done: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/simulator/"):
            await self.simulator(scope, receive, send)
            return
        turn = self.turns.pop(0) if self.turns else []
        self.arrivals.append(time.monotonic())
        try:
            headers = [*scope["headers"], *self.always, *turn]
            await self.simulator({**scope, "headers": headers}, receive, send)
        finally:
            self.done.release()


@dataclass(slots=True)
class _ConnectionCounter:
    """An application that notes which connections its requests come from."""

    app: ASGIApp
    callers: set[object]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.callers.add(scope["client"])
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class ScriptedProxy(ProxyUnderTest):
    """A proxy before a scripted simulator, with its log and the connections of its clients."""

    log: list[Any]
    """Complete once the proxy has stopped: its last lines are written after the client has left."""
    _simulator: _ScriptedSimulator
    _callers: set[object]

    @property
    def connections(self) -> int:
        """How many connections clients have used."""
        return len(self._callers)

    @property
    def arrivals(self) -> list[float]:
        """When each request reached the upstream, in seconds."""
        return self._simulator.arrivals

    def received_once_done(self, *, requests: int = 1) -> list[dict[str, Any]]:
        """Return what the upstream has received, once it has finished that many requests."""
        for _ in range(requests):
            assert self._simulator.done.acquire(timeout=PATIENCE_SECONDS), self.received()
        return self.received()

    def exchanges(self) -> list[dict[str, Any]]:
        """Return the lines that an operator reads about each completion request."""
        return [line for line in self.log if line["event"] == "exchange"]


@contextmanager
def scripted_proxy(
    *turns: Simulated, settings: Mapping[str, Any] | None = None, **always: object
) -> Iterator[ScriptedProxy]:
    """Run a proxy whose simulator obeys `always`, and each of `turns` for one request."""
    script = [_headers(turn) for turn in turns]
    simulator = _ScriptedSimulator(create_simulator(), _headers(always), script)
    callers: set[object] = set()
    with (
        capture_logs() as log,
        running_proxy(
            simulator, lambda app: _ConnectionCounter(app, callers), **(settings or {})
        ) as proxy,
    ):
        yield ScriptedProxy(proxy.url, proxy.upstream_url, proxy.client, log, simulator, callers)


def _headers(simulated: Simulated) -> Headers:
    return [_header(f"simulate-{name.replace('_', '-')}", simulated[name]) for name in simulated]


def _header(name: str, value: object) -> tuple[bytes, bytes]:
    text = json.dumps(value) if name in {"simulate-text", "simulate-deltas"} else str(value)
    return name.encode(), text.encode("ascii")
