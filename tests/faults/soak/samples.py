"""What the processes of a server use, read from /proc, one row for each reading."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from typing import Final

from tests.faults.matrix.runner import MIB
from tests.fleet import Fleet
from tests.processes import command_of, files_of, resident_bytes

FIELDS: Final = ("seconds", "subject", "pid", "measure", "value")
MEMORY, DESCRIPTORS, THREADS, SIZE = "resident MiB", "descriptors", "threads", "MiB"


@dataclass(frozen=True)
class Reading:
    """One number."""

    seconds: float
    subject: str
    """A process by its role, `journal` or `store`."""
    pid: int
    measure: str
    value: float


def roles_of(fleet: Fleet, known: Mapping[int, str]) -> dict[int, str]:
    """Return the processes of a fleet by id; a worker takes the name of one that has gone."""
    workers = fleet.workers
    roles = {pid: name for pid, name in known.items() if pid in workers}
    free = [name for name in ("worker 1", "worker 2") if name not in roles.values()]
    roles |= dict(zip((pid for pid in workers if pid not in roles), free, strict=False))
    threads = Path(f"/proc/{fleet.process.pid}/task").iterdir()
    children = [int(pid) for one in threads for pid in (one / "children").read_text().split()]
    loaders = [pid for pid in children if b"loader_program" in command_of(pid)]
    return {fleet.process.pid: "supervisor", **roles, **dict.fromkeys(loaders, "loader")}


def read(fleet: Fleet, roles: Mapping[int, str], seconds: float) -> Iterator[Reading]:
    """Read all of it now; what has ended meanwhile is left out."""
    for pid, role in roles.items():
        with suppress(OSError, IndexError):
            threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
            yield Reading(seconds, role, pid, MEMORY, resident_bytes(pid) / MIB)
            if files := files_of(pid):  # none: one was closed meanwhile
                yield Reading(seconds, role, pid, DESCRIPTORS, len(files))
            yield Reading(seconds, role, pid, THREADS, threads)
    for subject, is_part in {"store": True, "journal": False}.items():
        size = sum(
            path.stat().st_size
            for path in fleet.state_dir.rglob("*")
            if path.is_file() and path.name.startswith("traffic.db") is is_part
        )
        yield Reading(seconds, subject, 0, SIZE, size / MIB)


def write(path: Path, readings: Sequence[Reading]) -> None:
    """Write them as a CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for one in readings:
            row = (f"{one.seconds:.1f}", one.subject, one.pid, one.measure, f"{one.value:.2f}")
            writer.writerow(row)


def read_file(path: Path) -> list[Reading]:
    """Read such a CSV."""
    with path.open(newline="") as file:
        return [
            Reading(
                float(row["seconds"]),
                row["subject"],
                int(row["pid"]),
                row["measure"],
                float(row["value"]),
            )
            for row in csv.DictReader(file)
        ]


def growth(
    readings: Sequence[Reading], measure: str, *, last_seconds: float
) -> dict[str, tuple[float, float]]:
    """Return the least readings, early and in the last seconds, of each that lived throughout."""
    found: dict[str, tuple[float, float]] = {}
    until = readings[-1].seconds
    for subject in ("supervisor", "worker 1", "worker 2", "loader"):
        of_it = [one for one in readings if (one.subject, one.measure) == (subject, measure)]
        early = [one.value for one in of_it if 0.1 <= one.seconds / until < 0.2]
        late = [one.value for one in of_it if one.seconds > until - last_seconds]
        lived_throughout = len({one.pid for one in of_it}) == 1
        if early and late and lived_throughout:
            found[subject] = (min(early), min(late))
    return found


def slope_per_hour(readings: Sequence[Reading], subject: str, since: float) -> float | None:
    """How fast the memory grows of the process that is this subject at the end; MiB an hour."""
    of_it = [one for one in readings if one.subject == subject and one.measure == MEMORY]
    points = [one for one in of_it if one.pid == of_it[-1].pid and one.seconds >= since]
    if len({one.seconds for one in points}) < 2:
        return None
    seconds, values = [one.seconds for one in points], [one.value for one in points]
    return linear_regression(seconds, values).slope * 3600
