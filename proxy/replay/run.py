"""
Run a replay: several requests at a time, within a budget, keeping each result as it comes.

Memory holds only the requests in flight and one page of waiting ones, however
many there are.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from proxy.traffic.store.replay_results import RecordedExchange, ReplayResult, ReplayStore


class RequestAsker(Protocol):
    """The interface of `Asker`, which tests replace."""

    async def ask(self, recorded: RecordedExchange) -> ReplayResult:
        """Ask a recorded request again; errors become results too."""


class TokenBudget:
    """Tokens that all runs of a replay may use; estimates count until upstream has counted."""

    def __init__(self, most: float | None, used: float) -> None:
        self._most = math.inf if most is None else most
        self._used = used
        self._reserved: list[float] = []
        self._settled = asyncio.Condition()

    async def reserve(self, tokens: float) -> bool:
        """Reserve tokens; return False if they do not fit, even once all others are settled."""
        async with self._settled:
            await self._settled.wait_for(lambda: self._fits(tokens) or not self._reserved)
            if not self._fits(tokens):
                return False
            self._reserved.append(tokens)
            return True

    async def settle(self, reserved: float, used: float) -> None:
        """Replace a reservation by the tokens that were used."""
        async with self._settled:
            self._reserved.remove(reserved)
            self._used += used
            self._settled.notify_all()

    def _fits(self, tokens: float) -> bool:
        return self._used + sum(self._reserved) + tokens <= self._most


@dataclass(slots=True, kw_only=True)
class Run:
    """A run of a replay, new or resumed."""

    store: ReplayStore
    asker: RequestAsker
    budget: TokenBudget
    concurrency: int
    on_result: Callable[[ReplayResult], None]
    """Called with every result once it is stored."""
    _unwritten: list[ReplayResult] = field(default_factory=list)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> bool:
        """Ask all that is left; return False if the budget ended it. Results are kept anyway."""
        free = asyncio.Semaphore(self.concurrency)
        pages = self.store.pages()
        try:
            async with asyncio.TaskGroup() as group:
                while page := await asyncio.to_thread(next, pages, None):
                    for recorded in page:
                        await free.acquire()
                        if not await self.budget.reserve(recorded.tokens):
                            return False
                        group.create_task(self._ask(recorded, free))
            return True
        except ExceptionGroup as problems:  # errors of the store, which are all alike
            raise problems.exceptions[0] from problems
        finally:
            await self._write()

    async def _ask(self, recorded: RecordedExchange, free: asyncio.Semaphore) -> None:
        result = await self.asker.ask(recorded)
        self._unwritten.append(result)
        await self.budget.settle(recorded.tokens, result.tokens)
        await self._write()
        free.release()

    async def _write(self) -> None:
        # One batch at a time: a task that waits here may find its result written by another.
        async with self._writing:
            if batch := self._unwritten.copy():
                await asyncio.to_thread(self.store.keep, batch)
                # Delete only afterwards: an interrupted write may have failed, and repeating one
                # does no harm.
                del self._unwritten[: len(batch)]
                for result in batch:
                    self.on_result(result)
