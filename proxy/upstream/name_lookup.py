"""
Looks up the addresses of hosts: once for all who wait, and remembered for a while.

The system's resolver has a few threads for all hosts. With a look-up for each connection, a burst
of requests would wait for one another's look-ups, and not for the upstream.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import aiohappyeyeballs

Addresses: TypeAlias = Sequence[aiohappyeyeballs.AddrInfoType]
Resolve: TypeAlias = Callable[[str, int], Awaitable[Addresses]]
"""Asks for the addresses of a host and port; raises `OSError` or `UnicodeError`."""

_FRESH_SECONDS: Final = 10
"""Below the time to live that hosts with changing addresses have: 30 to 60 seconds."""
_STALE_SECONDS: Final = 3600
"""Age up to which addresses are better than none while the resolver fails (RFC 8767)."""
_PATIENCE_SECONDS: Final = 1.8
"""Time after which stale addresses are used in place of an answer (RFC 8767, section 5)."""


async def ask_system(host: str, port: int) -> Addresses:
    """
    Ask the resolver of the system, in a thread that keeps no process from ending.

    A resolver may hang for half a minute, and the threads of the event loop are waited for.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Addresses] = loop.create_future()

    def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
        if not answer.done():
            set_outcome(outcome)

    def ask() -> None:
        settled: tuple[Callable[[Any], None], object]
        try:
            settled = answer.set_result, socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            settled = answer.set_exception, exc
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, *settled)

    try:
        threading.Thread(target=ask, name="look-up", daemon=True).start()
    except RuntimeError as exc:  # pragma: no cover - no test can use up a machine's threads
        raise OSError(str(exc)) from exc
    return await answer


@dataclass(frozen=True, slots=True)
class _Known:
    addresses: Addresses
    since: float


class NameLookup:
    """The addresses of hosts, as far as somebody has asked for them."""

    def __init__(
        self,
        resolve: Resolve = ask_system,
        *,
        fresh: float = _FRESH_SECONDS,
        stale: float = _STALE_SECONDS,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._resolve = resolve
        self._fresh = fresh
        self._stale = stale
        self._patience = patience
        self._known: dict[tuple[str, int], _Known] = {}
        self._running: dict[tuple[str, int], asyncio.Task[Addresses]] = {}

    async def addresses(self, host: str, port: int) -> Addresses:
        """
        Return the addresses of a host; raises `OSError` or `UnicodeError`.

        After a failed look-up, and during one that lasts, older addresses are returned.
        """
        with suppress(socket.gaierror):  # an address, and no name that has to be looked up
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
        loop = asyncio.get_running_loop()
        now = loop.time()
        known = self._known.get((host, port))
        if known is not None and now - known.since < self._fresh:
            return known.addresses
        if (running := self._running.get((host, port))) is None:
            running = self._running[host, port] = loop.create_task(self._look_up(host, port))
            running.add_done_callback(lambda done: self._ended(host, port, done))
        is_of_use = known is not None and now - known.since < self._stale
        # A waiter that is cancelled does not cancel the look-up, which others may wait for.
        await asyncio.wait({running}, timeout=self._patience if is_of_use else None)
        has_failed = not running.done() or running.cancelled() or running.exception() is not None
        if has_failed and is_of_use:
            assert known is not None
            return known.addresses
        if running.cancelled():
            raise OSError("The look-up of the name was given up.")
        return running.result()

    def close(self) -> None:
        """Forget all addresses, and give up look-ups."""
        self._known.clear()
        for running in self._running.values():
            running.cancel()

    async def _look_up(self, host: str, port: int) -> Addresses:
        found = await self._resolve(host, port)
        self._known[host, port] = _Known(found, asyncio.get_running_loop().time())
        return found

    def _ended(self, host: str, port: int, done: asyncio.Task[Addresses]) -> None:
        del self._running[host, port]
        if not done.cancelled():
            done.exception()  # retrieved, even if nobody waits any more
