"""
How late the event loop is: the time by which it misses the timers that are set for now.

Whatever reaches a late loop waits at least as long before anything is done about it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

LATE_SECONDS: Final = 0.25
"""From here on a loop counts as late: it has more to do than it gets done."""
_LOOK_SECONDS: Final = 0.1
_LOOKS: Final = 100
_LASTING_LOOKS: Final = 5


class LoopDelay:
    """Measures the delay of the loop that it runs on; `observe` is told the worst of late."""

    def __init__(
        self, observe: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observe = observe
        self._clock = clock  # not `loop.time`, which stands still while callbacks run
        self._due = math.inf
        self._delays = deque([0.0], maxlen=_LOOKS)

    async def keep_measuring(self) -> None:
        """Measure until cancelled."""
        while True:
            self._due = self._clock() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            self._delays.append(max(self._clock() - self._due, 0.0))
            self._observe(self.worst_seconds)

    @property
    def seconds(self) -> float:
        """The present delay: the last one, or that of a look which is already overdue."""
        return max(self._delays[-1], self._clock() - self._due)

    @property
    def worst_seconds(self) -> float:
        """The worst delay of the last ten seconds, or longer if the loop has been late."""
        return max(*self._delays, self.seconds)

    @property
    def lasting_seconds(self) -> float:
        """The least delay of the last few looks: what is not over with one long callback."""
        return min(islice(reversed(self._delays), _LASTING_LOOKS))

    @property
    def is_late(self) -> bool:
        """True if the loop has more to do than it gets done."""
        return self.seconds >= LATE_SECONDS
