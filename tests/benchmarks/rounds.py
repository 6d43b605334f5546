"""Loads in rounds: each proxy for some seconds, one after the other, again and again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.canned import DELTAS
from tests.benchmarks.client import WrongAnswer, check_stream, check_whole, connected
from tests.benchmarks.contenders import Maker, Served
from tests.benchmarks.processes import is_alive, rss_mib, settle
from tests.benchmarks.questions import Kind, small_prompt
from tests.benchmarks.samples import Failure, Outcome, Sample
from tests.benchmarks.streams import run


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is put into it."""

    rounds: int = 5
    seconds: float = 3
    """For each proxy in each round."""
    streams_held: int = 5000
    hold_seconds: float = 12
    soak_minutes: float = 0
    others: tuple[Maker, ...] = ()
    """Proxies that are installed here and belong to others."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a suite found out: figures for the table, and values for the targets by name."""

    samples: tuple[Sample, ...] = ()
    measured: Mapping[str, float | None] = field(default_factory=dict)
    """None: it could not be measured."""
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    """What else was seen, and has no target."""

    def __add__(self, other: Findings) -> Findings:
        return Findings(
            self.samples + other.samples,
            {**self.measured, **other.measured},
            self.failures + other.failures,
            self.notes + other.notes,
        )


@dataclass(frozen=True, slots=True)
class Load:
    """Something to put on one proxy for so many seconds."""

    name: str
    run: Callable[[Served, float], Outcome]
    events: int = 1
    """In each of what is counted."""


def in_rounds(load: Load, servers: Sequence[Served], effort: Effort) -> Findings:
    """
    A round to get warm, which does not count; who fails is not asked again.

    Every other round goes backwards, so that nobody always follows the same one.
    """
    samples: list[Sample] = []
    failures: list[Failure] = []
    standing = list(servers)
    for number in range(-1, effort.rounds):
        for server in standing[:: -1 if number % 2 else 1]:
            try:
                outcome = load.run(server, effort.seconds if number >= 0 else 1)
            except WrongAnswer as exc:
                failures.append(Failure(load.name, server.name, _why(server, exc)))
                standing.remove(server)
                continue
            settle(server.pid)
            if number >= 0:
                samples.append(_sample(load, server, number, outcome))
        tell(f"{load.name}: round {number + 1} of {effort.rounds}")
    return Findings(tuple(samples), {}, tuple(failures))


def _sample(load: Load, server: Served, number: int, outcome: Outcome) -> Sample:
    return Sample(
        load=load.name,
        contender=server.name,
        round=number,
        events=load.events,
        per_second=outcome.count / outcome.seconds,
        p50_ms=outcome.p50_ms,
        p99_ms=outcome.p99_ms,
        cpu_us=outcome.used.own / outcome.count * 1e6,
        children_us=outcome.used.children / outcome.count * 1e6,
        busy=outcome.used.own / outcome.seconds,
        kept_waiting=outcome.used.kept_waiting / outcome.seconds,
        rss_mib=rss_mib(server.pid),
    )


def _why(server: Served, exc: WrongAnswer) -> str:
    return str(exc) if is_alive(server.pid) else f"its process ended: {exc}"


def checked(server: Served, kind: Kind) -> None:
    """Ask once, and look at every byte of the answer; raises `WrongAnswer`."""

    async def ask() -> bytes:
        async with connected(server.port) as connection:
            return await connection.ask(server.dialect.ask(kind, small_prompt()).encode())

    body = run(ask())
    if kind == "whole":
        check_whole(body, server.dialect)
    else:
        check_stream(body, server.dialect, DELTAS)


def tell(text: str) -> None:
    """How far it is, for whoever waits."""
    print(text, file=sys.stderr, flush=True)
