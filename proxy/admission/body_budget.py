"""
Bounds the bytes of all bodies that are held, in all and for each caller.

Bytes count as they arrive, so that a client has to send what it takes from others. Bodies that
do not fit stop being read until others are given back. One of them is read on in any case, else
several that are half read could wait for each other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from proxy.admission.limits import Limits
from proxy.errors import NoRoomForBody

_FULL: Final = "Holdover holds too many bytes of requests that are being answered. Try again later."


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """A body that waits for room."""

    owner: Hashable
    caller: str
    size: int
    future: asyncio.Future[None]


class BodyBudget:
    """The bytes of bodies that one worker holds; used in one event loop."""

    def __init__(self, limits: Limits) -> None:
        self.held = 0
        """Bytes of all bodies that are held."""
        self._limits = limits
        self._of_caller = Counter[str]()
        self._waiting: dict[_Waiter, None] = {}
        self._exceeding: Hashable | None = None
        """The owner of the one body that is read on although there is no room for it."""

    def take_now(self, owner: Hashable, caller: str, size: int) -> bool:
        """Count more bytes of a body as held; return False if there is no room for them yet."""
        may_take = owner is self._exceeding or self._has_room(caller, size)
        if may_take:
            self._count(caller, size)
        return may_take

    async def take(self, owner: Hashable, caller: str, size: int) -> None:
        """Wait for room for more bytes of a body; raise `NoRoomForBody` if none comes."""
        if self.take_now(owner, caller, size):
            return
        loop = asyncio.get_running_loop()
        waiter = _Waiter(owner, caller, size, loop.create_future())
        self._waiting[waiter] = None
        self._read_on()
        try:
            async with asyncio.timeout(self._limits.max_wait):
                await waiter.future
        except BaseException as exc:
            if waiter in self._waiting:
                del self._waiting[waiter]
            else:  # its turn came as it was cancelled
                self.give_back(owner, caller, size)
            if isinstance(exc, TimeoutError):
                raise NoRoomForBody(_FULL) from exc
            raise

    def give_back(self, owner: Hashable, caller: str, size: int) -> None:
        """Count the bytes of an owner's body as no longer held."""
        if owner is self._exceeding:
            self._exceeding = None
        self._count(caller, -size)
        self._read_on()

    def _has_room(self, caller: str, size: int) -> bool:
        limits = self._limits
        return (
            self.held + size <= limits.body_bytes
            and self._of_caller[caller] + size <= limits.body_bytes_per_caller
        )

    def _read_on(self) -> None:
        """Let those go on that fit, in the order in which they came, and one that does not."""
        for waiter in list(self._waiting):
            if waiter.future.done():  # it was given up, and has not seen it yet
                continue
            if not self._has_room(waiter.caller, waiter.size):
                if self._exceeding is not None:
                    continue
                self._exceeding = waiter.owner
            del self._waiting[waiter]
            self._count(waiter.caller, waiter.size)
            waiter.future.set_result(None)

    def _count(self, caller: str, size: int) -> None:
        self.held += size
        self._of_caller[caller] += size
        if not self._of_caller[caller]:
            del self._of_caller[caller]
