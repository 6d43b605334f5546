"""How a serving process deals with memory: what neither the collector nor the kernel need see."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import Final

_ALLOCATIONS_BETWEEN_LOOKS: Final = 20_000
_MIB: Final = 1024 * 1024
_MMAP_THRESHOLD_BYTES: Final = 32 * _MIB
"""The most that mallopt(3) allows, on 64 bits."""
_MAX_KEPT: Final = 64 * _MIB
# Parameters of glibc's mallopt(3), which has them as macros.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def freeze_gc() -> None:
    """
    What is there at the start stays, and exchanges leave no circles behind.

    To look through it all again and again was a sixth of what a whole answer
    cost, and most of the longest waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_LOOKS)


def tune_malloc() -> None:
    """
    Let glibc keep the memory of one long prompt for the next, up to 64 MiB.

    It would give the top of its heap back when twice the largest block is free
    (mallopt(3)), and the next prompt would fault it in again, page by page: that
    was 40 % of what a prompt of 8 MiB cost. Other C libraries are left as they are.
    """
    with suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415 - there are Pythons without

        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _MAX_KEPT)
