"""Limits that the system sets to this process: on file descriptors, and on memory."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Files with the memory limit of a container, of the second and the first version of cgroups."""


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
