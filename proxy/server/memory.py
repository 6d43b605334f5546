"""Tune garbage collection and malloc for a process that serves."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import Final

_GC_THRESHOLD: Final = 20_000
_MIB: Final = 1024 * 1024
_MMAP_THRESHOLD_BYTES: Final = 32 * _MIB
"""The largest value that mallopt(3) allows on 64-bit systems."""
_MAX_FREE_BYTES: Final = 64 * _MIB
# Parameters of glibc's mallopt(3); Python has no names for its macros.
_M_TRIM_THRESHOLD: Final = -1
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
    gc.set_threshold(_GC_THRESHOLD)


def tune_malloc() -> None:
    """
    Let glibc keep the memory of a long prompt for the next one, up to 64 MiB.

    By default it returns the top of the heap to the kernel once twice the
    largest block is free (mallopt(3)), and the next prompt faults it in again,
    page by page: 40 % of the cost of a prompt of 8 MiB. Other C libraries are
    left unchanged.
    """
    with suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415 - some Python builds lack it

        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _MAX_FREE_BYTES)
