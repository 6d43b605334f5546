"""Streams that take their time: a hundred, a crowd, and thousands that are hardly ever heard of."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tests.benchmarks.client import WrongAnswer
from tests.benchmarks.contenders import (
    STANDARD,
    UPSTREAM,
    Served,
    fleet,
    holdover,
    paced_upstream,
    uvicorn,
)
from tests.benchmarks.rounds import Effort, Findings, Load, in_rounds
from tests.benchmarks.samples import DIFFERENCE, Failure, Outcome, compared
from tests.benchmarks.streams import Pace, at_a_pace, held_open, run

RATE = 30
"""Events a second in each stream."""


def follow(server: Served, seconds: float, *, streams: int) -> Outcome:
    return run(at_a_pace(server, Pace(streams, RATE, seconds)))


HUNDRED = Load("100 streams, 30 events/s each", partial(follow, streams=100))
CROWD = Load("500 streams, 30 events/s each", partial(follow, streams=500))


def paced(effort: Effort) -> Findings:
    with fleet(paced_upstream, STANDARD) as served:
        found = in_rounds(HUNDRED, list(served.values()), effort)
    ratio = compared(found.samples, "cpu_us", "holdover", "bare")
    return found + Findings(measured={"paced: CPU per event : bare": ratio})


def crowd(effort: Effort) -> Findings:
    """Without the naive one: its pool has a hundred connections."""
    shorter = replace(effort, rounds=min(3, effort.rounds))
    with fleet(paced_upstream, [uvicorn("bare"), holdover()]) as served:
        found = in_rounds(CROWD, list(served.values()), shorter)
    added = compared(found.samples, "p99_ms", "holdover", UPSTREAM, how=DIFFERENCE)
    come = compared(found.samples, "per_second", "holdover", UPSTREAM)
    return found + Findings(
        measured={"crowd: p99 delay added": added, "crowd: events that come": come}
    )


def held(effort: Effort) -> Findings:
    """One stream that is not right is enough, whatever becomes of the others."""
    load = f"{effort.streams_held} open streams"
    with fleet(paced_upstream, [holdover()]) as served:
        server = served["holdover"]
        try:
            run(at_a_pace(server, Pace(50, RATE, 1)))  # to get warm
            seen = run(
                held_open(server, served[UPSTREAM], effort.streams_held, effort.hold_seconds)
            )
        except WrongAnswer as exc:
            failure = Failure(load, "holdover", str(exc))
            return Findings(failures=(failure,))
    busy = seen.used.own / seen.seconds * 100
    note = f"{load}: opened in {seen.seconds_to_open:.1f} s, then {busy:.1f} % of the core"
    per_stream = seen.mib * 1024 / seen.streams
    return Findings(
        (), {"held: streams": seen.streams, "memory: per open stream": per_stream}, (), (note,)
    )
