"""
Serve for half an hour, with faults all the time, and see whether anything is lost or grows.

    python -m tests.faults.soak --minutes 30 --csv soak.csv

Two workers serve ordinary traffic, clients that leave, and upstreams with every fault of the
matrix; the settings are read again every half minute, and one of the workers is killed every
four minutes. The other one lives all the time: its memory is what is looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from tests.command_line import HOLDOVER
from tests.faults.soak import samples
from tests.faults.soak.samples import DESCRIPTORS, MEMORY, THREADS, Reading
from tests.faults.soak.traffic import SETTINGS, Traffic, kinds, tell
from tests.fleet import Fleet, running_fleet
from tests.scripted_server import listening
from tests.servers import free_port

MOST_MINUTES: Final = 60
_SAMPLE_SECONDS: Final = 5
_RELOAD_SECONDS: Final = 30
_KILL_SECONDS: Final = 240
_QUIET_SECONDS: Final = 20
"""At the beginning and the end, for what is used when nobody asks for anything."""


class Soak:
    """A server that is watched while it serves."""

    def __init__(self, fleet: Fleet, traffic: Traffic, seconds: float) -> None:
        self.fleet = fleet
        self.traffic = traffic
        self.readings: list[Reading] = []
        self._seconds = seconds
        self._roles: dict[int, str] = {}
        self._began = time.monotonic()

    async def run(self, upstream_port: int) -> None:
        """Do all of it."""
        async with listening(self.traffic.serve, port=upstream_port), asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._every(_SAMPLE_SECONDS, self._sample))
            checking = tasks.create_task(self._every(1, self.traffic.check))
            playing = tasks.create_task(self.traffic.play())
            reloading = tasks.create_task(self._every(_RELOAD_SECONDS, self._reload))
            killing = tasks.create_task(self._every(_KILL_SECONDS, self._kill))
            await asyncio.sleep(self._seconds)
            self.traffic.is_over = True
            reloading.cancel()
            killing.cancel()
            await playing
            await self.traffic.all_checked.wait()
            await asyncio.sleep(_QUIET_SECONDS)
            checking.cancel()
            watching.cancel()
        self._sample()

    async def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            act()

    def _sample(self) -> None:
        elapsed = time.monotonic() - self._began
        self._roles = samples.roles_of(self.fleet, self._roles)
        now = list(samples.read(self.fleet, self._roles, elapsed))
        self.readings += now
        used = {one.subject: round(one.value) for one in now if one.measure == MEMORY}
        tell(
            f"{elapsed:.0f} s: {self.traffic.counts.total()} exchanges, "
            f"{len(self.traffic.problems)} problems, {self.traffic.excused} excused, MiB {used}"
        )

    def _reload(self) -> None:
        is_odd = int(time.monotonic() / _RELOAD_SECONDS) % 2
        changed = 'leading_space = "raw"' if is_odd else 'capture = "full"'
        self.fleet.write(self.fleet.text("", f"{SETTINGS}{changed}"))

    def _kill(self) -> None:
        """Kill the second worker, which has come last."""
        pid = next((pid for pid, name in self._roles.items() if name == "worker 2"), None)
        if pid in self.fleet.workers:
            self.traffic.kills.append(time.monotonic())
            os.kill(pid, signal.SIGKILL)


def stored(fleet: Fleet) -> Counter[int]:
    """How many records the store has of each case."""
    command = [*HOLDOVER, "log", "--format", "json", "--limit", "0", "--config", str(fleet.config)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    agents = [json.loads(line)["user_agent"] for line in said.stdout.splitlines()]
    return Counter(int(agent.removeprefix("fault/")) for agent in agents)


def report(soak: Soak, in_store: Counter[int]) -> bool:
    """Say what was found; return whether all is well."""
    traffic, readings = soak.traffic, soak.readings
    tell(f"exchanges: {traffic.counts.total()} {dict(traffic.counts)}")
    tell(f"workers killed: {len(traffic.kills)}, exchanges excused by that: {traffic.excused}")
    in_log = traffic.recorded
    missing, more = in_log - in_store, in_store - in_log
    tell(
        f"records: {in_log.total()} in the log, {in_store.total()} in the store, "
        f"{missing.total()} missing from it, {more.total()} more than in the log"
    )
    grown = partial(samples.growth, readings, last_seconds=_QUIET_SECONDS)
    for measure in (MEMORY, DESCRIPTORS, THREADS):
        for subject, (early, late) in grown(measure).items():
            tell(f"{subject}: {measure} {early:.1f} early, {late:.1f} at the end")
    for subject in ("supervisor", "worker 1", "loader"):
        slope = samples.slope_per_hour(readings, subject, since=readings[-1].seconds / 3)
        if slope is not None:
            tell(f"{subject}: memory grows by {slope:.1f} MiB an hour, after a third of the time")
    tell(f"problems: {len(traffic.problems)}")
    leaked = [subject for subject, (early, late) in grown(DESCRIPTORS).items() if late > early]
    tell(f"descriptors leaked: {', '.join(leaked) or 'none'}")
    return not (traffic.problems or missing or leaked)


def main() -> int:
    """Do as the command line says; the exit status is 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--csv", type=Path, metavar="FILE")
    asked = parser.parse_args()
    seconds = 60 * min(asked.minutes, MOST_MINUTES)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    traffic_of = kinds()
    with tempfile.TemporaryDirectory(prefix="holdover-soak-") as name:
        directory = Path(name)
        with running_fleet(
            directory, SETTINGS, workers=2, upstream_url=url, legacy_url=url
        ) as fleet:
            soak = Soak(fleet, Traffic(fleet, traffic_of, asked.seed), seconds)
            asyncio.run(soak.run(port))
        if asked.csv is not None:
            samples.write(asked.csv, soak.readings)
        return 0 if report(soak, stored(fleet)) else 1


if __name__ == "__main__":
    sys.exit(main())
