"""Results that several people may be shown: each is made once, however many ask meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_MAX_RESULTS: Final = 64


@dataclass(frozen=True, slots=True)
class _Result:
    task: asyncio.Future[Any]
    ends: float


@dataclass(slots=True)
class Remembered:
    """Results by key, for seconds."""

    clock: Callable[[], float] = time.monotonic
    _by_key: dict[Hashable, _Result] = field(default_factory=dict[Hashable, _Result])

    async def get(self, key: Hashable, seconds: float, make: Callable[[], Awaitable[T]]) -> T:
        """Return the result under a key that is at most so many seconds old, or make it."""
        now = self.clock()
        found = self._by_key.get(key)
        if found is None or found.ends <= now:
            self._forget(now)
            found = _Result(asyncio.ensure_future(make()), now + seconds)
            self._by_key[key] = found
        try:
            # Somebody who leaves does not end it for the others.
            return cast("T", await asyncio.shield(found.task))
        except Exception:
            if self._by_key.get(key) is found:
                del self._by_key[key]
            raise

    def _forget(self, now: float) -> None:
        self._by_key = {key: each for key, each in self._by_key.items() if each.ends > now}
        while len(self._by_key) >= _MAX_RESULTS:
            del self._by_key[next(iter(self._by_key))]
