"""
A replay on its way: so many requests at a time, within a budget, each result kept as it comes.

However many there are, no more of them are in memory than are being asked, and
a page that waits.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from proxy.traffic.store.replay_results import Recorded, ReplayResult, ReplayStore


class Asks(Protocol):
    """Who asks one request again."""

    async def ask(self, recorded: Recorded) -> ReplayResult:
        """Whatever happens, there is a result."""


class TokenBudget:
    """What a replay may use, all its runs together; estimates, until upstream has counted."""

    def __init__(self, most: float | None, used: float) -> None:
        self._most = math.inf if most is None else most
        self._used = used
        self._reserved: list[float] = []
        self._settled = asyncio.Condition()

    async def reserve(self, tokens: float) -> bool:
        """Set so much aside; False if it does not fit, whatever those on their way come to."""
        async with self._settled:
            await self._settled.wait_for(lambda: self._fits(tokens) or not self._reserved)
            if not self._fits(tokens):
                return False
            self._reserved.append(tokens)
            return True

    async def settle(self, reserved: float, used: float) -> None:
        """Count what it was instead."""
        async with self._settled:
            self._reserved.remove(reserved)
            self._used += used
            self._settled.notify_all()

    def _fits(self, tokens: float) -> bool:
        return self._used + sum(self._reserved) + tokens <= self._most


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of a replay."""

    store: ReplayStore
    asker: Asks
    budget: TokenBudget
    concurrency: int
    heard: Callable[[ReplayResult], None]
    """Called with every result that is kept."""
    _unwritten: list[ReplayResult] = field(default_factory=list)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> bool:
        """Ask all that is left; False if the budget has ended it. What is done is kept anyway."""
        try:
            async with asyncio.TaskGroup() as group:
                return await self._hand_out(group)
        except ExceptionGroup as problems:  # of the store: one says it all
            raise problems.exceptions[0] from problems
        finally:
            await self._write()

    async def _hand_out(self, group: asyncio.TaskGroup) -> bool:
        free = asyncio.Semaphore(self.concurrency)
        pages = self.store.pages()
        while page := await asyncio.to_thread(_next, pages):
            for recorded in page:
                await free.acquire()
                if not await self.budget.reserve(recorded.tokens):
                    return False
                group.create_task(self._ask(recorded, free))
        return True

    async def _ask(self, recorded: Recorded, free: asyncio.Semaphore) -> None:
        result = await self.asker.ask(recorded)
        self._unwritten.append(result)
        await self.budget.settle(recorded.tokens, result.tokens)
        await self._write()
        free.release()

    async def _write(self) -> None:
        """Keep what there is, one batch at a time: who waits here finds it done by another."""
        async with self._writing:
            if batch := self._unwritten.copy():
                await asyncio.to_thread(self.store.keep, batch)
                # Not before: who is interrupted here cannot tell whether it is kept; twice is once.
                del self._unwritten[: len(batch)]
                for result in batch:
                    self.heard(result)


def _next(pages: Iterator[list[Recorded]]) -> list[Recorded]:
    return next(pages, [])
