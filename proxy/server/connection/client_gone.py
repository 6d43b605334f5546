"""
Interrupt what waits while nothing of its client is read, once the client has gone.

ASGI tells of that behind everything that the client has sent. Who passes a body on, or keeps it,
and has to wait for room takes nothing from the client meanwhile, and would not hear of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Final

from starlette.types import Scope

from proxy.errors import ClientGone

EXTENSION: Final = "holdover.client_gone"
"""Name of the extension of ASGI by which the server hands a `Departure` to its application."""


class Departure:
    """The end of a client's connection, or of what can be read from it."""

    def __init__(self) -> None:
        self._has_come = False
        self._waiting = set[asyncio.Timeout]()

    def come(self) -> None:
        """Interrupt everything that waits."""
        self._has_come = True
        waiting, self._waiting = self._waiting, set()
        for timeout in waiting:
            timeout.reschedule(0)  # long ago, so at once

    @asynccontextmanager
    async def interrupting(self) -> AsyncIterator[None]:
        """Break the block off with `ClientGone` when the end comes, or if it has come."""
        if self._has_come:
            raise ClientGone
        timeout = asyncio.timeout(None)
        try:
            async with timeout:
                self._waiting.add(timeout)
                try:
                    yield
                finally:
                    self._waiting.discard(timeout)
        except TimeoutError:
            if not timeout.expired():  # it is one of the block's own
                raise
            raise ClientGone from None


def while_connected(scope: Scope) -> AbstractAsyncContextManager[None]:
    """Break the block off with `ClientGone` once the client has gone, if the server can tell."""
    departure = scope.get("extensions", {}).get(EXTENSION)
    return nullcontext() if departure is None else departure().interrupting()
