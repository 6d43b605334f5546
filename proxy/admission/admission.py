"""
Lets exchanges begin, fairly between callers, and refuses them when too many wait.

Beginning is what costs a worker time, so only as many exchanges begin in one turn of the
event loop as keep the turn short. The others wait in the fair queue, where a caller with one
request stands before the second request of a caller with hundreds.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from proxy.admission.body_budget import BodyBudget
from proxy.admission.limits import Limits
from proxy.errors import CallerTooBusy, Failure, TooBusy
from proxy.fair_queue import FairQueue

_TURN_SECONDS: Final = 0.0025
"""Length of a turn of the event loop above which fewer exchanges begin in the next one."""
_MAX_BEGINNINGS: Final = 256
_LATE_SECONDS: Final = 0.05
"""Pause after which a late worker looks whether it is still late."""
_COST_BYTES: Final = 64 * 1024
"""Bytes of a body that cost as much as an exchange with a short one."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """An exchange that waits for its turn."""

    caller: str
    future: asyncio.Future[None]


class Slot:
    """The right of one exchange to run; an async context manager, which waits for it."""

    __slots__ = ("_admission", "_caller", "_cost", "_held_bytes", "_is_stream", "waited_seconds")

    def __init__(self, admission: Admission, caller: str, cost: float) -> None:
        self._admission = admission
        self._caller = caller
        self._cost = cost
        self._held_bytes = 0
        self._is_stream = False
        self.waited_seconds = 0.0
        """How long the exchange has waited for its turn."""

    async def __aenter__(self) -> Self:
        """Wait for the turn of this exchange; raise `CallerTooBusy` or `TooBusy` if it is late."""
        if not self._admission.begin_now(self._caller, self._cost):
            began = time.perf_counter()
            await self._admission.wait_for_turn(self._caller, self._cost)
            self.waited_seconds = time.perf_counter() - began
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let another exchange begin."""
        if self._held_bytes:
            self._admission.bodies.give_back(self, self._caller, self._held_bytes)
        if self._is_stream:
            self._admission.streams -= 1
        self._admission.end(self._caller)

    def count_as_stream(self) -> None:
        """Count the exchange among the streams until it ends; call this once."""
        self._is_stream = True
        self._admission.streams += 1

    def hold_now(self, size: int) -> bool:
        """Count so many more bytes of the body; return False if there is no room for them yet."""
        has_room = self._admission.bodies.take_now(self, self._caller, size)
        if has_room:
            self._held_bytes += size
        return has_room

    async def hold(self, size: int) -> None:
        """Make room for so many more bytes of the body; raise `NoRoomForBody` if none comes."""
        await self._admission.bodies.take(self, self._caller, size)
        self._held_bytes += size


class Admission:
    """
    Admits the exchanges of one worker; used in one event loop.

    While `is_late` says that the loop is late, nothing new begins.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        is_late: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._limits = limits
        self._is_late = is_late
        self._clock = clock
        self.bodies = BodyBudget(limits)
        self._queue = FairQueue[_Waiter]()
        self.streams = 0
        """Number of exchanges that run and were asked for a stream."""
        self._running = Counter[str]()
        self._count = 0
        self._begun_in_turn = 0
        self._most_in_turn = 8
        self._turn_began = 0.0
        self._next_turn: asyncio.Handle | None = None

    def slot(self, caller: str, size: int, weight: float = 1) -> Slot:
        """
        Return a slot for an exchange of a caller whose body has so many bytes.

        `weight` is how many turns the caller gets for each turn of others. What a client
        announces beyond the bytes that may be held costs its caller nothing more.
        """
        cost = 1 + min(size, self._limits.body_bytes) / _COST_BYTES
        return Slot(self, caller, cost / weight)

    @property
    def running(self) -> int:
        """Number of exchanges that run."""
        return self._count

    @property
    def waiting(self) -> int:
        """Number of exchanges that wait for their turn."""
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """True if another exchange would have to take the place of one that waits."""
        return self._count + len(self._queue) >= self._limits.most

    def refusal(self, caller: str) -> Failure | None:
        """Return why an exchange that this caller begins now is refused, or None."""
        waiting = self._queue.count_of(caller)
        if self._running[caller] + waiting >= self._limits.most_per_caller:
            return CallerTooBusy(
                "You have as many requests running and waiting as one caller may have "
                f"({self._limits.most_per_caller}). Send fewer at a time, or try again later."
            )
        if self.is_full and self._queue.longest <= waiting + 1:
            return TooBusy("Holdover has too many requests to serve. Try again later.")
        return None

    def begin_now(self, caller: str, cost: float) -> bool:
        """Let an exchange begin if nothing speaks against it; return False if it has to wait."""
        if (
            self._queue
            or self._count >= self._limits.exchanges
            or self._begun_in_turn >= self._most_in_turn
            or not self._may_begin(caller)
            or self._is_late()
        ):
            return False
        self._queue.charge(caller, cost)
        self._begin(caller)
        self._expect_turn()
        return True

    async def wait_for_turn(self, caller: str, cost: float) -> None:
        """Wait until an exchange may begin; raise `CallerTooBusy` or `TooBusy` if it may not."""
        if (failure := self.refusal(caller)) is not None:
            raise failure
        if self.is_full:
            _refuse(self._queue.pop_newest_of_longest(), self._too_late())
        loop = asyncio.get_running_loop()
        waiter = _Waiter(caller, loop.create_future())
        self._queue.push(caller, waiter, cost)
        self._expect_turn()
        timer = loop.call_later(self._limits.max_wait, _refuse, waiter, self._too_late())
        try:
            await waiter.future
        except BaseException:
            self._queue.discard(caller, waiter)
            future = waiter.future
            if future.done() and not future.cancelled() and future.exception() is None:
                self.end(caller)  # its turn came as it was cancelled
            raise
        finally:
            timer.cancel()

    def end(self, caller: str) -> None:
        """Count an exchange as ended, and let another one begin."""
        self._count -= 1
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]
        if self._queue:
            self._queue.unblock(caller)
            self._expect_turn()

    def _may_begin(self, caller: str) -> bool:
        return self._running[caller] < self._limits.exchanges_per_caller

    def _begin(self, caller: str) -> None:
        self._count += 1
        self._running[caller] += 1
        self._begun_in_turn += 1

    def _expect_turn(self) -> None:
        """Look again in the next turn of the event loop, which shows how long this one was."""
        if self._next_turn is None:
            self._turn_began = self._clock()
            self._next_turn = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Adapt to the length of the last turn, and let those begin whose turn it is."""
        self._next_turn, self._begun_in_turn = None, 0
        if self._clock() - self._turn_began > _TURN_SECONDS:
            self._most_in_turn = max(1, self._most_in_turn // 2)
        else:
            self._most_in_turn = min(_MAX_BEGINNINGS, self._most_in_turn + 1)
        if not self._queue:
            return
        if self._is_late():
            loop = asyncio.get_running_loop()
            self._next_turn = loop.call_later(_LATE_SECONDS, self._turn)
            return
        while self._count < self._limits.exchanges:
            if self._begun_in_turn >= self._most_in_turn:
                self._expect_turn()
                return
            waiter = self._queue.pop(self._may_begin)
            if waiter is None:
                return
            if not waiter.future.done():  # else it was refused or cancelled, and has not seen it
                self._begin(waiter.caller)
                waiter.future.set_result(None)

    def _too_late(self) -> TooBusy:
        seconds = self._limits.max_wait
        return TooBusy(
            f"Holdover has too many requests to serve: this one would have waited for more than "
            f"{seconds:g} seconds. Try again later."
        )


def _refuse(waiter: _Waiter, failure: Failure) -> None:
    if not waiter.future.done():
        waiter.future.set_exception(failure)
