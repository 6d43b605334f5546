"""A run as Markdown, for people, and as JSON, for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import msgspec

from tests.benchmarks.rounds import Effort, Findings
from tests.benchmarks.samples import Failure, Sample, compared, median_of, of_load
from tests.benchmarks.targets import Judged, Target, Verdict

_COLUMNS: Final = (
    *("proxy", "per second", "p50 ms", "p99 ms", "CPU us", "with children", "CPU us/event"),
    *("core busy", "kept waiting", "RSS MiB", "per second : naive", "CPU : bare"),
)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [columns := tuple(columns), ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} x {model}, {versions}"


def whole(found: Findings, judged: list[Judged]) -> str:
    """All of it, in the order in which one wants to read it."""
    parts = [machine(), figures(found.samples), "\n".join(f"* {note}" for note in found.notes)]
    if judged:
        seen = sum(one.verdict is not Verdict.NOT_MEASURED for one in judged)
        parts += [verdicts(judged), f"{seen} of {len(judged)} targets were measured."]
    parts.append(failures(found.failures))
    return "\n\n".join(part for part in parts if part)


def figures(samples: Iterable[Sample]) -> str:
    """One table for each load: medians of the rounds, and medians of each round's ratios."""
    samples = tuple(samples)
    loads = dict.fromkeys(sample.load for sample in samples)
    return "\n\n".join(
        f"**{load}**\n\n{table(_COLUMNS, _rows(of_load(samples, load)))}" for load in loads
    )


def _rows(samples: list[Sample]) -> Iterable[tuple[str, ...]]:
    for name in dict.fromkeys(sample.contender for sample in samples):
        yield (
            name,
            f"{median_of(samples, 'per_second', name):.0f}",
            f"{median_of(samples, 'p50_ms', name):.2f}",
            f"{median_of(samples, 'p99_ms', name):.2f}",
            f"{median_of(samples, 'cpu_us', name):.1f}",
            f"{median_of(samples, 'all_cpu_us', name):.1f}",
            f"{median_of(samples, 'event_cpu_us', name):.1f}",
            f"{median_of(samples, 'busy', name):.0%}",
            f"{median_of(samples, 'kept_waiting', name):.0%}",
            f"{median_of(samples, 'rss_mib', name):.0f}",
            number(compared(samples, "per_second", name, "naive")),
            number(compared(samples, "cpu_us", name, "bare")),
        )


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def verdicts(judged: Iterable[Judged]) -> str:
    columns = ("target", "bound", "stretch", "measured", "verdict")
    return table(columns, map(_verdict_row, judged))


def _verdict_row(one: Judged) -> tuple[str, ...]:
    target = one.target
    stretch = "" if target.stretch is None else _bound(target, target.stretch)
    measured = "-" if one.measured is None else f"{one.measured:.2f} {target.unit}"
    return (target.means, _bound(target, target.bound), stretch, measured, one.verdict.value)


def _bound(target: Target, bound: float) -> str:
    return f"{'>=' if target.at_least else '<='} {bound:g} {target.unit}"


def failures(failed: Iterable[Failure]) -> str:
    return "\n".join(f"FAILED: {one.contender}, {one.load}: {one.why}" for one in failed)


def as_json(found: Findings, judged: Iterable[Judged], effort: Effort) -> bytes:
    kept = {
        "machine": machine(),
        "rounds": effort.rounds,
        "seconds": effort.seconds,
        "samples": [asdict(one) for one in found.samples],
        "targets": [
            {
                "target": one.target.name,
                "bound": one.target.bound,
                "stretch": one.target.stretch,
                "measured": one.measured,
                "verdict": one.verdict.name.lower(),
            }
            for one in judged
        ],
        "failures": [asdict(one) for one in found.failures],
        "notes": found.notes,
    }
    return msgspec.json.format(msgspec.json.encode(kept), indent=1)
