"""The command: which loads, how long, and what becomes of the figures."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.benchmarks import (
    fairness,
    hostile,
    lifetime,
    pacing,
    plot,
    prompts,
    report,
    side_by_side,
)
from tests.benchmarks.contenders import OF_OTHERS, Maker, at_portkey, litellm
from tests.benchmarks.processes import LOAD_CORE, ProcessFailed
from tests.benchmarks.rounds import Effort, Findings, tell
from tests.benchmarks.samples import Failure
from tests.benchmarks.targets import TARGETS, judge

SUITES: Final[dict[str, Callable[[Effort], Findings]]] = {
    "whole": side_by_side.whole,
    "latency": side_by_side.latency,
    "bursts": side_by_side.bursts,
    "paced": pacing.paced,
    "crowd": pacing.crowd,
    "held": pacing.held,
    "size": prompts.size,
    "blocking": prompts.blocking,
    "fairness": fairness.fairness,
    "shapes": hostile.shapes,
    "start": lifetime.start,
    "switches": side_by_side.switches,
    "soak": lifetime.soak,
}
COMPARED: Final = ("whole", "latency", "bursts", "paced")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    made.add_argument(
        "mode",
        nargs="?",
        choices=("compare", "check"),
        default="compare",
        help="compare (default): side by side; check: every target, exit status 1 on a miss",
    )
    made.add_argument("--only", action="append", choices=SUITES, help="may be repeated")
    made.add_argument("--rounds", type=int, help="default 5")
    made.add_argument("--seconds", type=float, help="for each proxy in each round; default 3")
    made.add_argument("--quick", action="store_true", help="2 rounds of 1 s: says little")
    made.add_argument("--soak", type=float, default=0, metavar="MINUTES", help="in addition")
    made.add_argument("--litellm", default=os.environ.get("LITELLM"), metavar="EXECUTABLE")
    made.add_argument("--portkey", default=os.environ.get("PORTKEY"), metavar="EXECUTABLE")
    made.add_argument("--json", type=Path, metavar="FILE")
    made.add_argument("--plot", type=Path, metavar="FILE", help="needs --group bench")
    return made


def effort_of(asked: argparse.Namespace) -> Effort:
    others: list[Maker] = []
    if asked.litellm:
        others.append(litellm(asked.litellm))
    if asked.portkey:
        others.append(at_portkey(asked.portkey))
    return Effort(
        rounds=asked.rounds or (2 if asked.quick else 5),
        seconds=asked.seconds or (1 if asked.quick else 3),
        soak_minutes=asked.soak,
        others=tuple(others),
    )


def suites_of(asked: argparse.Namespace) -> list[str]:
    """In the order of `SUITES`; the soak only for those who give it minutes."""
    by_mode = COMPARED if asked.mode == "compare" else set(SUITES) - {"soak"}
    chosen = set(asked.only or by_mode) | ({"soak"} if asked.soak else set())
    if "soak" in chosen and not asked.soak:
        raise SystemExit("how long? --soak MINUTES")
    return [name for name in SUITES if name in chosen]


def main() -> int:
    asked = parser().parse_args()
    needed = [tool for tool in ("nginx", "wrk", "taskset") if shutil.which(tool) is None]
    needed += [f"two cores ({os.cpu_count()})"] * ((os.cpu_count() or 1) < 2)
    if asked.plot and find_spec("matplotlib") is None:
        needed.append("matplotlib (`uv sync --group bench`)")
    if needed:
        raise SystemExit(f"missing: {', '.join(needed)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        with bytecode():
            found = measure(suites_of(asked), effort_of(asked))
    except KeyboardInterrupt:
        return 130
    return publish(found, asked)


@contextmanager
def bytecode() -> Iterator[None]:
    """Let all that is started here find compiled what it imports, as what is installed does."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="holdover-benchmark-") as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        yield


def measure(suites: list[str], effort: Effort) -> Findings:
    """One suite after the other; what happens to one is no reason not to try the next."""
    found = Findings()
    for name in suites:
        tell(f"== {name}")
        try:
            suite = SUITES[name](effort)
        except ProcessFailed as exc:
            suite = Findings(failures=(Failure(name, "a process", str(exc)),))
        found += without_results(suite, name) if has_failed(suite) else suite
    return found


def has_failed(suite: Findings) -> bool:
    """Whether it failed for us, or for those we are held against."""
    return any(failure.contender not in OF_OTHERS for failure in suite.failures)


def without_results(suite: Findings, name: str) -> Findings:
    """What was measured before something failed does not count."""
    nothing = {target.name: None for target in TARGETS if target.suite == name}
    return replace(suite, measured=nothing)


def publish(found: Findings, asked: argparse.Namespace) -> int:
    """Print it, write the files that were asked for; the exit status."""
    judged = judge(found.measured, TARGETS) if asked.mode == "check" else []
    print(report.whole(found, judged))
    if asked.json:
        asked.json.write_bytes(report.as_json(found, judged, effort_of(asked)))
    if asked.plot and found.samples:
        plot.draw(found.samples, asked.plot)
    is_good = all(one.verdict.is_good for one in judged) if judged else not found.failures
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
