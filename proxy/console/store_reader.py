"""
The store as pages read it: whoever asks is told in two seconds if it does not answer at all.

A query that takes long is not one that hangs. So a store that is slow is asked, beside the query,
for its version: as long as it answers that, the query is waited for.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from proxy.console.daemon_threads import DaemonThreads
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.lazy_open import open_store
from proxy.traffic.store.store import Store

T = TypeVar("T")
P = ParamSpec("P")

_THREADS: Final = 4
"""Queries that run at once; more people wait for each other rather than for the disk."""
_LONGEST_QUERY_SECONDS: Final = 60
"""Seconds after which PostgreSQL ends a query, so that no thread is held for ever."""


def _threads() -> DaemonThreads:
    return DaemonThreads(_THREADS)


@dataclass(slots=True, kw_only=True)
class StoreReader:
    """Opens a store once it is needed, and again after an error."""

    url: str = field(repr=False)
    patience: float = 2.0
    """Seconds after which a store that does not answer is given up."""
    asks_after: float = 1.0
    """Seconds of waiting for a query after which the store is asked whether it answers."""
    patience_for_locks: float = 0.5
    """Seconds of waiting for a lock of the database, which others hold for milliseconds."""
    longest: float = 30.0
    """Seconds for which a page waits for a query of a store that answers others."""
    _store: Store | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _for_queries: DaemonThreads = field(default_factory=_threads)
    _for_probes: DaemonThreads = field(default_factory=lambda: DaemonThreads(1))
    _probe: asyncio.Future[StoreError | None] | None = None
    """Whether the store answers: asked once, however many queries wait."""
    _probe_began: float = 0.0

    async def query(
        self, function: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function with the store, in a thread; raises `StoreError`."""

        def call() -> T:
            store = self._open()
            try:
                return function(store, *args, **kwargs)
            except StoreError:
                self._close(store)  # it may be another file, or another server, by now
                raise

        if self._is_hanging():
            raise self._no_answer()
        result = asyncio.wrap_future(self._for_queries.submit(call))
        try:
            return await self._wait_for(result)
        finally:
            result.cancel()  # if nobody waits any more, it need not begin

    async def _wait_for(self, result: asyncio.Future[T]) -> T:
        given_up = time.monotonic() + self.longest
        await asyncio.wait({result}, timeout=self.asks_after)
        while not result.done():
            probe = self._begin_probe()
            either: set[asyncio.Future[Any]] = {result, probe}
            await asyncio.wait(
                either, timeout=self.patience - self.asks_after, return_when=asyncio.FIRST_COMPLETED
            )
            is_waiting = not result.done()
            if is_waiting and not probe.done():
                raise self._no_answer()
            if is_waiting and (problem := probe.result()) is not None:
                raise problem
            if is_waiting and time.monotonic() > given_up:
                raise StoreError(
                    f"The store has needed more than {self.longest:g} seconds for this: it is "
                    "busy, or there is too much to read. Choose a shorter period, or try again",
                    may_pass=True,
                )
            await asyncio.wait({result}, timeout=self.asks_after)
        return result.result()

    def _begin_probe(self) -> asyncio.Future[StoreError | None]:
        if self._probe is None or self._probe.done():
            self._probe = asyncio.wrap_future(self._for_probes.submit(self._ask))
            self._probe_began = time.monotonic()
        return self._probe

    def _is_hanging(self) -> bool:
        """Return True if the store has been asked whether it answers, and still does not."""
        return (
            self._probe is not None
            and not self._probe.done()
            and time.monotonic() - self._probe_began >= self.patience - self.asks_after
        )

    def _no_answer(self) -> StoreError:
        return StoreError(
            f"The store has not answered within {self.patience:g} seconds: it is busy, locked or "
            "hangs. Look at its server, and try again",
            may_pass=True,
        )

    def _ask(self) -> StoreError | None:
        """Return why the store cannot be read; None if it answers."""
        try:  # by a connection of its own, since all others may hang
            self._open_anew().close()
        except StoreError as exc:
            return exc
        return None

    def _open(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = self._open_anew()
            return self._store

    def _open_anew(self) -> Store:
        store = open_store(self.url, read_only=True, patience=self.patience_for_locks)
        store.limit_queries(_LONGEST_QUERY_SECONDS, waiting=self.patience_for_locks)
        return store

    def _close(self, store: Store) -> None:
        with self._lock:
            if self._store is store:
                self._store = None
        store.close()

    def close(self, deadline: float) -> None:
        """Close the store, waiting for it until a time of the monotonic clock and no longer."""
        self._for_queries.end(deadline)
        if self._store is not None:
            closing = DaemonThreads(1)
            closing.submit(self._store.close)
            closing.end(deadline)
        self._for_probes.end(deadline)
