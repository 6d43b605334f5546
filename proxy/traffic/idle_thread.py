"""A thread that works only when nobody else wants the processor."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Final, Self, TypeVar

Result = TypeVar("Result")

_PROBED: Final = bytes(512 * 1024)
"""Hashing these takes 0.4 ms of an idle processor, and half a second of one with two other programs
that do not wait. Much less would be done before the scheduler turns to the others."""
_PROMPT_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 0.5


class IdleThread:
    """
    A thread with idle priority (`SCHED_IDLE`) of a process that does nothing else meanwhile.

    On a busy processor such a thread gets a thousandth of the time, and what it has begun holds
    its locks until it is done. So ask `is_processor_idle` first.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, initializer=_use_idle_scheduling)
        self._probe: tuple[Future[None], float] | None = None
        self.is_processor_idle()  # a new thread gets the processor at once, whoever else wants it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._executor.shutdown()

    def is_processor_idle(self) -> bool:
        """Return True if nobody else wants the processor now; takes half a second at most."""
        probe, began = self._probe or (
            self._executor.submit(_probe),
            time.monotonic(),
        )
        try:
            probe.result(_PATIENCE_SECONDS)
        except TimeoutError:
            self._probe = probe, began
            return False
        self._probe = None
        return time.monotonic() - began < _PROMPT_SECONDS

    def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` on the thread and return its result, however long that takes."""
        return self._executor.submit(work).result()


def _use_idle_scheduling() -> None:
    """Run this thread only on an idle processor; an unprivileged process cannot undo this."""
    with suppress(OSError, AttributeError):  # forbidden by a sandbox, or missing on this system
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _probe() -> None:
    hashlib.sha256(_PROBED)
