"""
A house to knock at: Holdover on loopback, and behind it a simulator that was told what to do.

Old clients can set no headers, so what the simulator is to do differently is put into their
requests here, between Holdover and the simulator.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from proxy.app import create_app
from proxy.config.settings import load_settings
from proxy.server.uvicorn_protocol import name_unnamed_statuses
from proxy.simulator import create_simulator
from tests.servers import serving
from tests.waiting import PATIENCE_SECONDS

Headers: TypeAlias = list[tuple[bytes, bytes]]
Simulated: TypeAlias = Mapping[str, object]
"""The simulator's headers, without their prefix."""


@dataclass(slots=True)
class _Told:
    """The simulator, with headers that its caller did not send."""

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
class _Door:
    """Holdover, counting who knocks."""

    holdover: ASGIApp
    callers: list[object] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.callers.append(scope["client"])
        await self.holdover(scope, receive, send)


@dataclass(frozen=True, slots=True)
class House:
    """Holdover and what is behind it."""

    url: str
    log: list[Any]
    """Whole once the house is closed: the last lines are written after the client has left."""
    _upstream_url: str
    _told: _Told
    _door: _Door

    @property
    def connections(self) -> int:
        return len(set(self._door.callers))

    @property
    def arrivals(self) -> list[float]:
        """When each request reached the upstream, in seconds."""
        return self._told.arrivals

    def received(self) -> list[dict[str, Any]]:
        """What the upstream received."""
        answer = httpx.get(f"{self._upstream_url}/simulator/requests")
        return answer.json()  # type: ignore[no-any-return]

    def received_once_done(self, *, requests: int = 1) -> list[dict[str, Any]]:
        """What the upstream received, once it is done with so many requests."""
        for _ in range(requests):
            assert self._told.done.acquire(timeout=PATIENCE_SECONDS), self.received()
        return self.received()

    def exchanges(self) -> list[dict[str, Any]]:
        """The lines that an operator reads about each completion request."""
        return [line for line in self.log if line["event"] == "exchange"]


@contextmanager
def house(
    *turns: Simulated, settings: Mapping[str, Any] | None = None, **always: object
) -> Iterator[House]:
    """Keep house while the block runs; `turns` are for one upstream request each."""
    name_unnamed_statuses()  # as `holdover serve` does
    told = _Told(create_simulator(), _headers(always), [_headers(turn) for turn in turns])
    with capture_logs() as log, _closed_at_once() as opened:
        upstream_url = opened(serving(told))
        door = _Door(create_app(load_settings(upstream_url=upstream_url, **(settings or {}))))
        yield House(opened(serving(door)), log, upstream_url, told, door)


@contextmanager
def _closed_at_once() -> Iterator[Callable[[AbstractContextManager[str]], str]]:
    """Each server takes a while to notice that it may go; there are hundreds in a run."""
    servers: list[AbstractContextManager[str]] = []

    def opened(server: AbstractContextManager[str]) -> str:
        servers.append(server)
        return server.__enter__()

    try:
        yield opened
    finally:
        with ThreadPoolExecutor() as closers:
            list(closers.map(lambda server: server.__exit__(None, None, None), servers))


def _headers(simulated: Simulated) -> Headers:
    return [_header(f"simulate-{name.replace('_', '-')}", simulated[name]) for name in simulated]


def _header(name: str, value: object) -> tuple[bytes, bytes]:
    text = json.dumps(value) if name in {"simulate-text", "simulate-deltas"} else str(value)
    return name.encode(), text.encode("ascii")
