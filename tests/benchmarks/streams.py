"""
Loads of streams: in bursts, at a pace, or held open.

All run in this process, on the load core, beside the upstream. A delay is from the moment that
the upstream wrote an event to the moment that it was read here, in milliseconds: the upstream
asked directly tells what of that is not the proxy's.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Final, TypeVar

import uvloop

from tests.benchmarks.canned import DELTAS
from tests.benchmarks.client import WrongAnswer, check_stream, connected
from tests.benchmarks.contenders import Served
from tests.benchmarks.processes import Account, account, rss_mib
from tests.benchmarks.questions import paced_prompt, small_prompt
from tests.benchmarks.samples import Outcome, percentile

T = TypeVar("T")
_STAMP: Final = re.compile(rb'" (\d{20})"')
_OPENING_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 60


@dataclass(slots=True)
class Listener:
    """Takes a paced stream in pieces, however it is cut."""

    delays: list[float]
    events: int = 0
    _tail: bytes = field(default=b"")

    def hear(self, piece: bytes) -> None:
        now = time.monotonic_ns()
        text, end = self._tail + piece, 0
        for stamp in _STAMP.finditer(text):
            self.delays.append((now - int(stamp[1])) / 1e6)
            self.events += 1
            end = stamp.end()
        self._tail = text[end:]

    def check(self, events: int, end: bytes) -> None:
        if self.events != events or end not in self._tail:
            said = f"{self.events} of {events} events"
            raise WrongAnswer(f"{said}, and then: {self._tail[-500:]!r}")


def run(load: Coroutine[None, None, T]) -> T:
    """What a load comes to; raises `WrongAnswer`. Garbage waits: to collect it would be a delay."""
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(load)
    except TimeoutError as exc:
        raise WrongAnswer("the answers did not come to an end") from exc
    except BaseExceptionGroup as group:
        raise _first(group) from group
    finally:
        gc.enable()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def in_bursts(server: Served, connections: int, seconds: float) -> Outcome:
    """Streams of `DELTAS` events one after the other on each connection; all are looked at."""
    request = server.dialect.ask("stream", small_prompt()).encode()
    took: list[float] = []
    deadline = time.monotonic() + seconds

    async def go_on_asking() -> None:
        async with connected(server.port) as connection:
            while (asked := time.monotonic()) < deadline:
                body = await connection.ask(request)
                took.append((time.monotonic() - asked) * 1e3)
                check_stream(body, server.dialect, DELTAS)

    before, begun = account(server.pid), time.monotonic()
    async with asyncio.timeout(seconds + _PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(go_on_asking())
    took_all = time.monotonic() - begun
    return _outcome(took, took_all, account(server.pid).since(before))


def _outcome(milliseconds: list[float], seconds: float, used: Account) -> Outcome:
    if not milliseconds:
        raise WrongAnswer("there was not a single answer")
    p50, p99 = (percentile(milliseconds, share) for share in (0.5, 0.99))
    return Outcome(len(milliseconds), seconds, used, p50, p99)


@dataclass(frozen=True, slots=True)
class Pace:
    """So many streams, each with so many events a second, for so long."""

    streams: int
    rate: float
    seconds: float

    @property
    def events(self) -> int:
        """In each stream."""
        return int(self.rate * (self.seconds + _OPENING_SECONDS))


async def at_a_pace(server: Served, pace: Pace) -> Outcome:
    """Events, counted while all streams are open; every stream is looked at to its end."""
    request = server.dialect.ask("stream", paced_prompt(pace.events, pace.rate)).encode()
    delays: list[float] = []

    async def follow(place: int) -> None:
        await asyncio.sleep(_OPENING_SECONDS * place / pace.streams)
        listener = Listener(delays)
        async with connected(server.port, listener.hear) as connection:
            await connection.ask(request)
        listener.check(pace.events, server.dialect.end)

    async with asyncio.timeout(3 * pace.seconds + _PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        for place in range(pace.streams):
            tasks.create_task(follow(place))
        await asyncio.sleep(_OPENING_SECONDS * 1.2)
        first, before, begun = len(delays), account(server.pid), time.monotonic()
        await asyncio.sleep(pace.seconds - _OPENING_SECONDS * 0.4)
        window = delays[first:]
        used, took = account(server.pid).since(before), time.monotonic() - begun
    return _outcome(window, took, used)


@dataclass(frozen=True, slots=True)
class Held:
    """What it took to keep streams open."""

    streams: int
    mib: float
    """More resident memory with all of them open than before the first."""
    seconds_to_open: float
    used: Account
    """While nothing but a few events came."""
    seconds: float


async def held_open(server: Served, upstream: Served, streams: int, seconds: float) -> Held:
    """
    Open streams that say something every ten seconds, keep them, and let upstream end them.

    Each has to end properly, with at least the events that were due.
    """
    rate = 0.1
    request = server.dialect.ask("stream", paced_prompt(1_000_000, rate)).encode()
    gate, opened, ended = asyncio.Semaphore(64), asyncio.Semaphore(0), int(seconds * rate)

    async def follow() -> None:
        listener = Listener([])
        async with connected(server.port, listener.hear) as connection:
            async with gate:
                answer = asyncio.ensure_future(connection.ask(request))
                await connection.begun.wait()
            opened.release()
            await answer
        listener.check(max(ended, listener.events), server.dialect.end)

    before, begun = rss_mib(server.pid), time.monotonic()
    async with asyncio.timeout(seconds + 4 * _PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        for _ in range(streams):
            tasks.create_task(follow())
        for _ in range(streams):
            await opened.acquire()
        took, since = time.monotonic() - begun, account(server.pid)
        await asyncio.sleep(seconds)
        used, mib = account(server.pid).since(since), rss_mib(server.pid) - before
        os.kill(upstream.pid, signal.SIGUSR1)
    return Held(streams, mib, took, used, seconds)
