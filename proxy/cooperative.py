"""
Cooperative scheduling: long work in steps that yields to the event loop every two milliseconds.

Time slices are measured by the clock, because the size of a text does not predict
its cost: a megabyte of newlines takes a hundred times as long as one of prose. Long
jobs take turns: between two turns of the event loop at most one of them runs, so many
jobs delay other requests no longer than one job does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, TypeVar, cast

from translators import Steps

T = TypeVar("T")

_SLICE_SECONDS: Final = 0.002


class CooperativeRunner:
    """Runs long jobs on one event loop in turns."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._queue = asyncio.Lock()

    async def run(self, steps: Steps[T]) -> T:
        """Run all steps and return their result; yield between two steps when the slice is over."""
        # While others wait for their turn, a job that is not done in one step waits behind them.
        until = 0.0 if self._queue.locked() else self._clock() + _SLICE_SECONDS
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return cast("T", end.value)
            if self._clock() >= until:
                await self._yield_to_event_loop()
                until = self._clock() + _SLICE_SECONDS

    async def iterate(self, items: Iterable[T]) -> AsyncIterator[T]:
        """Iterate over the items; yield to the event loop when the time slice is over."""
        until = self._clock() + _SLICE_SECONDS
        for item in items:
            yield item
            if self._clock() >= until:
                await self._yield_to_event_loop()
                until = self._clock() + _SLICE_SECONDS

    async def _yield_to_event_loop(self) -> None:
        # The lock is fair: jobs that yielded earlier resume first, one per turn of the loop.
        async with self._queue:
            await asyncio.sleep(0)
