"""
Whose turn it is: long work gives way to whoever waits, in time and not in bytes.

What a text does to those who work on it, its bytes do not say: a megabyte of
prose takes a hundredth of what one of newlines does. So the clock is asked, and
the event loop turns every few milliseconds. However many have long work to do,
they take turns, and hold up the others for no longer than one of them does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, TypeVar, cast

from translators import Steps

T = TypeVar("T")

_SLICE_SECONDS: Final = 0.004


class CooperativeRunner:
    """The turns of one event loop."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._queue = asyncio.Lock()

    async def run(self, steps: Steps[T]) -> T:
        """Take all steps of some work, and give way between two of them when it is time."""
        until = self._clock() + _SLICE_SECONDS
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return cast("T", end.value)
            if self._clock() >= until:
                await self._yield_to_event_loop()
                until = self._clock() + _SLICE_SECONDS

    async def iterate(self, things: Iterable[T]) -> AsyncIterator[T]:
        """Hand them out, and give way between two of them when it is time."""
        until = self._clock() + _SLICE_SECONDS
        for thing in things:
            yield thing
            if self._clock() >= until:
                await self._yield_to_event_loop()
                until = self._clock() + _SLICE_SECONDS

    async def _yield_to_event_loop(self) -> None:
        """Until the loop has turned, and those who came before have had their turn, too."""
        async with self._queue:
            await asyncio.sleep(0)
