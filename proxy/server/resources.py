"""Memory, file descriptors and processor time: the limits of this process, and its use of them."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Files with the memory limit of a container, of the second and the first version of cgroups."""
_PROCESS: Final = Path("/proc/self")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUsage:
    """The memory, file descriptors and processor time that one process uses."""

    memory_bytes: int
    """Memory that it has in use; 0 where the system does not say."""
    descriptors: int
    """File descriptors that it has open; 0 where the system does not say."""
    cpu_seconds: float
    """Processor time that it has taken since its start."""


def process_usage(process: Path = _PROCESS) -> ProcessUsage:
    """Return what this process uses at present."""
    pages = descriptors = 0
    with suppress(OSError):  # a system without /proc
        pages = int((process / "statm").read_text().split()[1])
        descriptors = len(os.listdir(process / "fd"))
    return ProcessUsage(
        memory_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
        descriptors=descriptors,
        cpu_seconds=time.process_time(),
    )


def descriptor_limit() -> int:
    """Return how many file descriptors this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft


def memory_bytes(limits: Sequence[Path] = _CGROUP_LIMITS) -> int:
    """Return the memory of this machine, or of its container if that has less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in limits:
        with suppress(OSError, ValueError):  # no such file, or `max`
            return min(machine, int(file.read_text()))
    return machine
