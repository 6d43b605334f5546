"""
Fairness: what a caller with one request at a time waits for beside the flood of another.

The upstream answers after 10 ms, so that calm is the time of an answer, not of a proxy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from tests.benchmarks.client import WrongAnswer
from tests.benchmarks.contenders import Served, fleet, holdover, paced_upstream
from tests.benchmarks.probing import probe
from tests.benchmarks.prompts import MIB
from tests.benchmarks.questions import Question, later_prompt
from tests.benchmarks.rounds import Effort, Findings, tell
from tests.benchmarks.samples import Failure, percentile
from tests.benchmarks.wrk import asking, parse_said

_ANSWER_MS: Final = 10
_PAUSE_SECONDS: Final = 0.005
_CALM_ANSWERS: Final = 100


@dataclass(frozen=True, slots=True)
class Flood:
    """Another caller's requests: so many connections, prompts of so many bytes."""

    connections: int
    prompt_bytes: int


FLOODS: Final[Mapping[str, Flood]] = {
    "many": Flood(connections=200, prompt_bytes=0),
    "huge": Flood(connections=8, prompt_bytes=8 * MIB),
}


@dataclass(frozen=True, slots=True)
class Beside:
    """What the polite caller saw in one round: milliseconds, and how much the other got."""

    calm_p95: float
    p50: float
    p95: float
    worst: float
    flood: int

    @property
    def ratio(self) -> float:
        return self.p95 / self.calm_p95


def beside(server: Served, flood: Flood, seconds: float) -> Beside:
    """Ask politely, first alone and then beside a flood."""
    polite = of_caller("polite", server.dialect.ask("whole", later_prompt(_ANSWER_MS))).encode()
    left = iter(range(_CALM_ANSWERS))
    calm = probe(server.port, polite, lambda: next(left, None) is not None, _PAUSE_SECONDS)
    text = later_prompt(_ANSWER_MS, flood.prompt_bytes)
    question = of_caller("flood", server.dialect.ask("whole", text))
    with asking(server, question, connections=flood.connections, seconds=seconds) as wrk:
        took = probe(server.port, polite, lambda: wrk.poll() is None, _PAUSE_SECONDS)
        said = parse_said(wrk.communicate()[0])
    p50, p95 = (percentile(took, share) for share in (0.5, 0.95))
    return Beside(percentile(calm, 0.95), p50, p95, max(took), said.requests)


def of_caller(name: str, question: Question) -> Question:
    """The same question with a key of its own."""
    others = tuple(header for header in question.headers if header[0] != "x-api-key")
    return replace(question, headers=(*others, ("x-api-key", f"sk-ant-{name}")))


def fairness(effort: Effort) -> Findings:
    seen: dict[str, list[Beside]] = {name: [] for name in FLOODS}
    with fleet(paced_upstream, [holdover()]) as served:
        try:
            for number in range(effort.rounds):
                for name, flood in FLOODS.items():
                    seen[name].append(beside(served["holdover"], flood, effort.seconds))
                tell(f"a polite caller beside a flood: round {number + 1} of {effort.rounds}")
        except (WrongAnswer, OSError) as exc:
            return Findings(failures=(Failure("a polite caller", "holdover", str(exc)),))
    measured = {
        f"fairness: p95 beside {name}": median(one.ratio for one in seen[name]) for name in seen
    }
    return Findings((), measured, (), tuple(_note(name, rounds) for name, rounds in seen.items()))


def _note(name: str, rounds: list[Beside]) -> str:
    calm, p50, p95 = (
        median(getattr(one, field) for one in rounds) for field in ("calm_p95", "p50", "p95")
    )
    return (
        f"a polite caller beside {name}: calm p95 {calm:.1f} ms; beside the flood p50 {p50:.1f},"
        f" p95 {p95:.1f}, worst {max(one.worst for one in rounds):.1f} ms (medians of"
        f" {len(rounds)} rounds), while the flood got {sum(one.flood for one in rounds)} answers"
    )
