"""Tune garbage collection and malloc for a process that serves."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

GC_THRESHOLD: Final = 20_000
"""Objects made between two garbage collections."""
_MIB: Final = 1024 * 1024
_MMAP_THRESHOLD_BYTES: Final = 32 * _MIB
"""The largest value that mallopt(3) allows on 64-bit systems."""
_MAX_FREE_BYTES: Final = 64 * _MIB
# Parameters of glibc's mallopt(3); Python has no names for its macros.
_M_TRIM_THRESHOLD: Final = -1
_RETURN_SECONDS: Final = 2
_STATM: Final = Path("/proc/self/statm")
_M_MMAP_THRESHOLD: Final = -3


def freeze_gc() -> None:
    """
    Exclude everything allocated so far from garbage collection, and collect less often.

    Objects from start-up live as long as the process, and exchanges leave no
    reference cycles behind. Scanning them again and again took a sixth of the
    time of a whole answer, and caused most of the longest waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


def tune_malloc() -> None:
    """
    Let glibc keep the memory of a long prompt for the next one, up to 64 MiB.

    By default it returns the top of the heap to the kernel once twice the
    largest block is free (mallopt(3)), and the next prompt faults it in again,
    page by page: 40 % of the cost of a prompt of 8 MiB. Other C libraries are
    left unchanged.
    """
    with _glibc() as glibc:
        glibc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        glibc.mallopt(_M_TRIM_THRESHOLD, _MAX_FREE_BYTES)


async def return_memory(is_busy: Callable[[], bool], pause: float = _RETURN_SECONDS) -> None:
    """
    Return memory to the kernel when 64 MiB or more have come to the process since the last time.

    glibc keeps what is free below the top of the heap, which after a burst of long prompts or
    answers may be hundreds of megabytes (malloc_trim(3)). It is not done while `is_busy`.
    """
    after = resident_bytes()
    while True:
        await asyncio.sleep(pause)
        if resident_bytes() - after >= _MAX_FREE_BYTES and not is_busy():
            with _glibc() as glibc:  # in a thread: it takes some milliseconds
                await asyncio.to_thread(glibc.malloc_trim, 0)
            after = resident_bytes()


def resident_bytes() -> int:
    """Return the memory that this process has in use; 0 where the system does not say."""
    with suppress(OSError):
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    return 0  # pragma: no cover - Linux says


@contextmanager
def _glibc() -> Iterator[Any]:
    """Yield glibc's functions; leave the block if there are none."""
    with suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415 - some Python builds lack it

        yield ctypes.CDLL(None)
