"""Long prompts: what their bytes cost, and whom they hold up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from statistics import StatisticsError, median
from typing import Final

from tests.benchmarks.client import WrongAnswer
from tests.benchmarks.contenders import Served, fleet, holdover, paced_upstream, uvicorn
from tests.benchmarks.probing import HEALTH, probe
from tests.benchmarks.questions import prompt_of, small_prompt
from tests.benchmarks.report import number
from tests.benchmarks.rounds import Effort, Findings, Load, in_rounds, tell
from tests.benchmarks.samples import Failure, Outcome, Sample, compared, median_of, of_load
from tests.benchmarks.wrk import ask_with_wrk, asking, parse_said

KIB: Final = 1024
MIB: Final = 1024 * KIB
SIZES: Final = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": MIB, "8 MiB": 8 * MIB}
"""The ends that are asked for, and two between them."""
_PAUSE_SECONDS: Final = 0.001


def ask_long(server: Served, seconds: float, *, size: int) -> Outcome:
    question = server.dialect.ask("whole", prompt_of(size))
    return ask_with_wrk(server, question, connections=1, seconds=seconds)


def load_of(name: str) -> Load:
    return Load(f"prompt of {name}, 1 connection", partial(ask_long, size=SIZES[name]))


def size(effort: Effort) -> Findings:
    found = Findings()
    with fleet(paced_upstream, [uvicorn("bare"), holdover()]) as served:
        for name in SIZES:
            shorter = replace(effort, rounds=min(3, effort.rounds))
            found += in_rounds(load_of(name), [served["bare"], served["holdover"]], shorter)
    ratios = {name: ratio_at(found.samples, name) for name in SIZES}
    note = "CPU : bare by size of the prompt: "
    note += ", ".join(f"{name} {number(ratio)}" for name, ratio in ratios.items())
    measured = {"size: CPU : bare, 8 MiB": ratios["8 MiB"], **costs_of_a_byte(found.samples)}
    return found + Findings((), measured, (), (note,))


def ratio_at(samples: tuple[Sample, ...], name: str) -> float | None:
    return compared(of_load(samples, load_of(name).name), "cpu_us", "holdover", "bare")


def costs_of_a_byte(samples: tuple[Sample, ...]) -> dict[str, float | None]:
    """
    What each byte adds to the cost of a request, by the targets' names.

    That is, to the cost of one of 1 KiB, which is as good as none. At 64 KiB
    what the bytes add is too little to be told from noise.
    """
    try:
        at = {
            (name, who): cost_of_a_byte(samples, name, who)
            for name in ("1 MiB", "8 MiB")
            for who in ("holdover", "bare")
        }
    except StatisticsError:  # one of them failed at a size
        return {"size: cost of a byte : bare": None, "size: linear": None}
    worst = max(at[name, "holdover"] / at[name, "bare"] for name in ("1 MiB", "8 MiB"))
    return {
        "size: cost of a byte : bare": worst,
        "size: linear": at["8 MiB", "holdover"] / at["1 MiB", "holdover"],
    }


def cost_of_a_byte(samples: tuple[Sample, ...], name: str, contender: str) -> float:
    """In microseconds; raises `StatisticsError` if there is no such sample."""
    large, least = (
        median_of(of_load(samples, load_of(one).name), "cpu_us", contender)
        for one in (name, "1 KiB")
    )
    return (large - least) / (SIZES[name] - SIZES["1 KiB"])


@dataclass(frozen=True, slots=True)
class Wait:
    """How long the probe waited in one round, and beside how many long prompts."""

    worst_ms: float
    p50_ms: float
    long_prompts: int


def wait_beside(server: Served, request: bytes, seconds: float) -> Wait:
    """What a small request waits for while prompts of 8 MiB come one after the other."""
    long = server.dialect.ask("whole", prompt_of(8 * MIB))
    with asking(server, long, connections=1, seconds=seconds) as wrk:
        took = probe(server.port, request, lambda: wrk.poll() is None, _PAUSE_SECONDS)
        said = parse_said(wrk.communicate()[0])
    return Wait(max(took), median(took), said.requests)


def blocking(effort: Effort) -> Findings:
    """
    The event loop is asked for its health, which needs nothing but the loop.

    Small completions are told too: they wait for the upstream as well, which
    is busy with the same megabytes. So is all of it for the bare proxy.
    """
    waits: dict[str, list[Wait]] = {}
    with fleet(paced_upstream, [uvicorn("bare"), holdover()]) as served:
        bare, ours = served["bare"], served["holdover"]
        small = ours.dialect.ask("whole", small_prompt()).encode()
        probes = {
            "holdover, health": (ours, HEALTH),
            "bare, health": (bare, HEALTH),
            "holdover, small completions": (ours, small),
            "bare, small completions": (bare, small),
        }
        try:
            for number in range(effort.rounds):
                for name, (server, request) in probes.items():
                    seen = wait_beside(server, request, effort.seconds)
                    waits.setdefault(name, []).append(seen)
                tell(f"8 MiB prompts beside small ones: round {number + 1} of {effort.rounds}")
        except (WrongAnswer, OSError) as exc:
            failure = Failure("8 MiB prompts beside small ones", "holdover or bare", str(exc))
            return Findings(failures=(failure,))
    worst = median(wait.worst_ms for wait in waits["holdover, health"])
    notes = tuple(_note(name, seen) for name, seen in waits.items())
    return Findings((), {"blocking: longest wait": worst}, (), notes)


def _note(name: str, waits: list[Wait]) -> str:
    worst, prompts = [wait.worst_ms for wait in waits], sum(wait.long_prompts for wait in waits)
    return (
        f"beside {prompts} prompts of 8 MiB, {name}: longest wait {median(worst):.1f} ms (median"
        f" of {len(worst)} rounds; in the worst {max(worst):.1f}), mostly"
        f" {median(wait.p50_ms for wait in waits):.2f} ms"
    )
