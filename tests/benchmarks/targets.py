"""What is aimed at, as data, and how a run did against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound on a figure of Holdover's, with all features on."""

    suite: str
    name: str
    means: str
    unit: str
    bound: float
    stretch: float | None = None
    at_least: bool = False
    """Whether more is better."""

    def is_met_by(self, value: float, bound: float) -> bool:
        return value >= bound if self.at_least else value <= bound


class Verdict(Enum):
    """How a run did against one target."""

    STRETCH = "pass, and the stretch"
    PASS = "pass"
    MISS = "MISS"
    FAILED = "MISS: it failed at it"
    NOT_MEASURED = "not measured in this run"

    @property
    def is_good(self) -> bool:
        """Whether it is no reason to say that a check failed."""
        return self not in {Verdict.MISS, Verdict.FAILED}


TARGETS: Final = (
    Target(
        suite="whole",
        name="whole: requests/s : naive",
        means="whole answers at 32 connections, requests/s against naive",
        unit="x",
        bound=5,
        stretch=8,
        at_least=True,
    ),
    Target(
        suite="whole",
        name="whole: CPU : bare",
        means="whole answers at 32 connections, CPU per request against bare",
        unit="x",
        bound=2.0,
        stretch=1.6,
    ),
    Target(
        suite="bursts",
        name="bursts: answers/s : naive",
        means="streams of 200 deltas in a burst, answers/s against naive",
        unit="x",
        bound=1.3,
        stretch=2,
        at_least=True,
    ),
    Target(
        suite="paced",
        name="paced: CPU per event : bare",
        means="100 streams of 30 events/s, each its own packet, CPU per event against bare",
        unit="x",
        bound=1.5,
    ),
    Target(
        suite="crowd",
        name="crowd: p99 delay added",
        means="500 such streams, p99 of the delay of an event over direct",
        unit="ms",
        bound=50,
    ),
    Target(
        suite="crowd",
        name="crowd: events that come",
        means="500 such streams, events that come in a second, of those that are sent"
        " (this bound is ours: who falls behind has no delay that can be told)",
        unit="x",
        bound=0.99,
        at_least=True,
    ),
    Target(
        suite="held",
        name="held: streams",
        means="open streams with an event every 10 s, all ended without error",
        unit="streams",
        bound=5000,
        at_least=True,
    ),
    Target(
        suite="latency",
        name="latency: p50 added",
        means="one connection, p50 over direct",
        unit="ms",
        bound=0.5,
    ),
    Target(
        suite="latency",
        name="latency: p99 added",
        means="one connection, p99 over direct",
        unit="ms",
        bound=2,
    ),
    Target(
        suite="start",
        name="memory: idle",
        means="resident memory of the serving process, idle",
        unit="MiB",
        bound=90,
    ),
    Target(
        suite="held",
        name="memory: per open stream",
        means="resident memory for each open stream",
        unit="KiB",
        bound=40,
    ),
    Target(
        suite="soak",
        name="memory: growth in a soak",
        means="growth of resident memory in a soak (asked for: 10 minutes)",
        unit="MiB",
        bound=5,
    ),
    Target(
        suite="size",
        name="size: CPU : bare, 8 MiB",
        means="a prompt of 8 MiB, CPU per request against bare",
        unit="x",
        bound=2,
    ),
    Target(
        suite="size",
        name="size: cost of a byte : bare",
        means="CPU that a byte adds from 1 KiB on, against bare, the worse of 1 MiB and 8 MiB",
        unit="x",
        bound=2,
    ),
    Target(
        suite="size",
        name="size: linear",
        means="CPU that a byte adds at 8 MiB against 1 MiB (linear is 1; this bound is ours)",
        unit="x",
        bound=1.25,
    ),
    Target(
        suite="blocking",
        name="blocking: longest wait",
        means="longest wait of a health probe beside 8 MiB prompts (median of rounds)",
        unit="ms",
        bound=20,
    ),
    Target(
        suite="fairness",
        name="fairness: p95 beside many",
        means="p95 of a polite caller beside 200 connections of another, against calm",
        unit="x",
        bound=3,
    ),
    Target(
        suite="fairness",
        name="fairness: p95 beside huge",
        means="p95 of a polite caller beside 8 connections with prompts of 8 MiB, against calm",
        unit="x",
        bound=3,
    ),
    Target(
        suite="shapes",
        name="shapes: longest wait",
        means="longest wait of a health probe beside one request or answer of the worst shape,"
        " as large as it may be (each shape in its best round)",
        unit="ms",
        bound=50,
    ),
    Target(
        suite="start",
        name="start: ready",
        means="from the command to the first answer of /healthz",
        unit="s",
        bound=1,
    ),
    Target(
        suite="start",
        name="start: --help",
        means="`holdover --help`, from beginning to end",
        unit="s",
        bound=0.3,
    ),
    Target(
        suite="switches",
        name="switches: CPU more",
        means="CPU per request more than with everything off that can be",
        unit="%",
        bound=15,
    ),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A target and what became of it; None: there is no figure."""

    target: Target
    measured: float | None
    verdict: Verdict


def judge(measured: Mapping[str, float | None], targets: Iterable[Target]) -> list[Judged]:
    """A name that is missing was not measured; one that has None failed."""
    return [
        Judged(target, measured.get(target.name), verdict_on(target, measured))
        for target in targets
    ]


def verdict_on(target: Target, measured: Mapping[str, float | None]) -> Verdict:
    if target.name not in measured:
        return Verdict.NOT_MEASURED
    value = measured[target.name]
    if value is None:
        return Verdict.FAILED
    if target.stretch is not None and target.is_met_by(value, target.stretch):
        return Verdict.STRETCH
    return Verdict.PASS if target.is_met_by(value, target.bound) else Verdict.MISS
