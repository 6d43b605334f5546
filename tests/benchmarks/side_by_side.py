"""Whole answers and bursts of deltas: everybody, from an upstream that is no bottleneck."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import median

from tests.benchmarks.canned import DELTAS
from tests.benchmarks.contenders import (
    STANDARD,
    SWITCHED_OFF,
    UPSTREAM,
    Served,
    canned_upstream,
    fleet,
    holdover,
)
from tests.benchmarks.questions import small_prompt
from tests.benchmarks.report import number
from tests.benchmarks.rounds import Effort, Findings, Load, checked, in_rounds
from tests.benchmarks.samples import DIFFERENCE, Outcome, compared, in_each_round
from tests.benchmarks.streams import in_bursts, run
from tests.benchmarks.wrk import ask_with_wrk


def ask_whole(server: Served, seconds: float, *, connections: int) -> Outcome:
    checked(server, "whole")
    question = server.dialect.ask("whole", small_prompt())
    return ask_with_wrk(server, question, connections=connections, seconds=seconds)


def ask_streams(server: Served, seconds: float) -> Outcome:
    return run(in_bursts(server, 8, seconds))


WHOLE = Load("whole answers, 32 connections", partial(ask_whole, connections=32))
ALONE = Load("whole answers, 1 connection", partial(ask_whole, connections=1))
BURSTS = Load("200 deltas in a burst, 8 connections", ask_streams, DELTAS)


def whole(effort: Effort) -> Findings:
    with fleet(canned_upstream, (*STANDARD, *effort.others)) as served:
        found = in_rounds(WHOLE, _proxies(served), effort)
    measured = {
        "whole: requests/s : naive": compared(found.samples, "per_second", "holdover", "naive"),
        "whole: CPU : bare": compared(found.samples, "cpu_us", "holdover", "bare"),
    }
    return found + Findings((), measured, (), (_by_processor_time(WHOLE, found),))


def latency(effort: Effort) -> Findings:
    with fleet(canned_upstream, (*STANDARD, *effort.others)) as served:
        found = in_rounds(ALONE, list(served.values()), effort)
    p50, p99 = (
        compared(found.samples, field, "holdover", UPSTREAM, how=DIFFERENCE)
        for field in ("p50_ms", "p99_ms")
    )
    return found + Findings(measured={"latency: p50 added": p50, "latency: p99 added": p99})


def bursts(effort: Effort) -> Findings:
    with fleet(canned_upstream, (*STANDARD, *effort.others)) as served:
        found = in_rounds(BURSTS, _proxies(served), effort)
    ratio = compared(found.samples, "per_second", "holdover", "naive")
    measured = {"bursts: answers/s : naive": ratio}
    return found + Findings((), measured, (), (_by_processor_time(BURSTS, found),))


def _by_processor_time(load: Load, found: Findings) -> str:
    """What the ratio to the naive one would be if nobody else had taken any of the core."""
    ratio = compared(found.samples, "all_cpu_us", "naive", "holdover")
    return f"{load.name}, against naive by processor time alone, children's too: {number(ratio)} x"


def switches(effort: Effort) -> Findings:
    """
    What all that can be switched off costs, of what is left without it.

    Rounds twice as many: the difference is small against a machine's moods.
    """
    off = holdover("switched off", **SWITCHED_OFF)
    load = replace(WHOLE, name="whole answers, with and without what can be switched off")
    with fleet(canned_upstream, (holdover(), off)) as served:
        twice = replace(effort, rounds=2 * effort.rounds)
        found = in_rounds(load, _proxies(served), twice)
    if not (ratios := in_each_round(found.samples, "cpu_us", "holdover", "switched off")):
        return found
    whole = compared(found.samples, "all_cpu_us", "holdover", "switched off")
    note = (
        f"CPU with what can be switched off: {min(ratios):.2f} to {max(ratios):.2f} x in the rounds"
        f", {number(whole)} x with the loader of evidence (median)"
    )
    measured = {"switches: CPU more": (median(ratios) - 1) * 100}
    return found + Findings((), measured, (), (note,))


def _proxies(served: dict[str, Served]) -> list[Served]:
    return [server for name, server in served.items() if name != UPSTREAM]
