"""
A queue in which callers take turns, by what their requests cost.

Start-time fair queuing (Goyal, Vin and Cheng, 1996): each request has a start on a virtual
clock, one cost later than its caller's last one, and the earliest start is served first. A
caller that was idle starts at the clock's present, so nobody saves up turns. The clock goes on
by the cost of what is served, shared by the callers that wait: else callers that come for the
first time, of whom there may always be more, would all stand before one who has had a turn.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

_MAX_IDLE_CALLERS: Final = 1_000


class _Caller(Generic[Item]):
    """A caller's waiting items with their costs, oldest first, and its place on the clock."""

    __slots__ = ("finish", "is_in_heap", "items")

    def __init__(self) -> None:
        self.items: OrderedDict[Item, float] = OrderedDict()
        self.finish = 0.0
        """Virtual time at which the caller's last served request is paid for."""
        self.is_in_heap = False


class FairQueue(Generic[Item]):
    """
    Items of many callers, served in turns.

    Every operation takes a time that is logarithmic in the number of callers, or constant.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._callers: dict[str, _Caller[Item]] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._pushes = 0
        self._count = 0
        self._by_length: dict[int, dict[str, None]] = {}
        """Callers by the number of their waiting items."""
        self._longest = 0

    def __len__(self) -> int:
        return self._count

    def count_of(self, caller: str) -> int:
        """Return how many items of a caller wait."""
        waiting = self._callers.get(caller)
        return len(waiting.items) if waiting else 0

    def charge(self, caller: str, cost: float) -> None:
        """Count a request of a caller that is served without waiting."""
        waiting = self._caller(caller)
        self._now = max(self._now, waiting.finish)
        waiting.finish = self._now + cost

    def push(self, caller: str, item: Item, cost: float) -> None:
        """Add an item behind those of its caller."""
        waiting = self._caller(caller)
        waiting.items[item] = cost
        length = len(waiting.items)
        self._count += 1
        self._sort_in(caller, length - 1, length)
        self._longest = max(self._longest, length)
        self._enter(caller, waiting, not_before=self._now)

    def pop(self, may_start: Callable[[str], bool]) -> Item | None:
        """
        Return the item whose turn it is, or None if no caller may start one.

        Callers that may not start one are left out until `unblock` is called for them.
        """
        while self._heap:
            start, _, caller = heapq.heappop(self._heap)
            waiting = self._callers[caller]
            waiting.is_in_heap = False
            if not waiting.items or not may_start(caller):
                continue
            item, cost = waiting.items.popitem(last=False)
            self._shrank(caller, len(waiting.items))
            waiting.finish = start + cost
            self._enter(caller, waiting, not_before=waiting.finish)
            self._now = max(self._now, start) + cost / (len(self._heap) + 1)
            return item
        return None

    def unblock(self, caller: str) -> None:
        """Let a caller that `pop` left out take its turns again."""
        if (waiting := self._callers.get(caller)) is not None:
            self._enter(caller, waiting, not_before=self._now)

    def discard(self, caller: str, item: Item) -> None:
        """Remove an item that no longer waits."""
        waiting = self._callers.get(caller)
        if waiting is not None and waiting.items.pop(item, None) is not None:
            self._shrank(caller, len(waiting.items))

    def pop_newest_of_longest(self) -> Item:
        """Remove and return the newest item of the caller with most of them."""
        caller = next(iter(self._by_length[self._longest]))
        items = self._callers[caller].items
        item, _ = items.popitem()
        self._shrank(caller, len(items))
        return item

    @property
    def longest(self) -> int:
        """Number of waiting items of the caller with most of them."""
        return self._longest

    def _shrank(self, caller: str, length: int) -> None:
        self._count -= 1
        self._sort_in(caller, length + 1, length)
        if self._longest not in self._by_length:
            self._longest -= 1  # where this caller is now

    def _sort_in(self, caller: str, before: int, after: int) -> None:
        if before:
            callers = self._by_length[before]
            del callers[caller]
            if not callers:
                del self._by_length[before]
        if after:
            self._by_length.setdefault(after, {})[caller] = None

    def _caller(self, caller: str) -> _Caller[Item]:
        if (waiting := self._callers.get(caller)) is None:
            if len(self._callers) >= 2 * max(_MAX_IDLE_CALLERS, self._count):
                # Forget callers without items; what they owe is at most one request.
                self._callers = {name: one for name, one in self._callers.items() if one.items}
                self._heap = [entry for entry in self._heap if entry[2] in self._callers]
                heapq.heapify(self._heap)
            waiting = self._callers[caller] = _Caller()
        return waiting

    def _enter(self, caller: str, waiting: _Caller[Item], *, not_before: float) -> None:
        if waiting.items and not waiting.is_in_heap:
            self._pushes += 1  # callers with the same start are served in the order they came
            start = max(not_before, waiting.finish)
            heapq.heappush(self._heap, (start, self._pushes, caller))
            waiting.is_in_heap = True
