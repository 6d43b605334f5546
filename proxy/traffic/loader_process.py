"""
Keeping the store up with the journals, beside the serving: a process that does nothing else.

Whatever is wrong with the store, the journals wait, and it is tried again.

Nobody waits for evidence, but clients wait for the workers that share a core
with it. So it is loaded on a thread that all others come before; what that has
not done after a while, the loader does with its share of the core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from proxy.security.redaction import describe_crash
from proxy.timestamps import to_milliseconds
from proxy.traffic.journal.loader import Loaded, Loader, alone
from proxy.traffic.status import (
    LoaderConfig,
    LoaderStatus,
    loader_state_in,
    read_status,
    write_status,
)
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.lazy_open import open_store
from proxy.traffic.store.retention import believable_ms, prune
from proxy.workers.shared_state import SharedState

log = structlog.get_logger()

_BETWEEN_LOOKS: Final = 0.5
_BETWEEN_TRIES: Final = 2.0
_BETWEEN_PRUNINGS: Final = 60.0
_IDLE_PRIORITY_SECONDS: Final = 10.0
_NOTHING: Final = Loaded()


def run_loader(
    keeping: LoaderConfig, wait: Callable[[float], bool], *, leisure: float = _IDLE_PRIORITY_SECONDS
) -> None:
    """
    Load until `wait`, which waits so many seconds, says that it is over; then once more.

    For `leisure` seconds at most, and until it is over, others come first. Where
    there can be no journals, there is nothing to do, until there can be some.
    """
    problem: OSError | None = None
    while True:
        with ExitStack() as until_then:
            try:
                is_alone = until_then.enter_context(alone(keeping.directory))
            except OSError as exc:
                if problem is None:
                    log.error("loader_waits", directory=str(keeping.directory), reason=exc.strerror)
                is_alone, problem = False, exc
            if is_alone:
                _Loading(keeping, wait, leisure).run()
                return
        if wait(_BETWEEN_TRIES):
            return


@dataclass(slots=True)
class _Loading:
    keeping: LoaderConfig
    wait: Callable[[float], bool]
    leisure: float
    shared_state: SharedState = field(init=False)
    status: LoaderStatus = field(init=False)
    loader: Loader | None = None
    pruned: float = float("-inf")
    began: float = field(default_factory=time.monotonic)
    began_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.began_ms = _now_ms()
        self.shared_state = loader_state_in(self.keeping.directory)
        self.status = read_status(self.shared_state) or LoaderStatus()

    def run(self) -> None:
        """Look again and again."""
        is_over = False
        with ThreadPoolExecutor(1, initializer=_use_idle_scheduling) as behind:
            while not is_over:
                is_well = self._look(behind)
                is_over = self.wait(_BETWEEN_LOOKS if is_well else _BETWEEN_TRIES)
        self._look()
        self._let_go()

    def _let_go(self) -> None:
        if self.loader is not None:
            self.loader.store.close()
            self.loader = None

    def _look(self, behind: Executor | None = None) -> bool:
        """Load what is there, first `behind` all others; whether all is well."""
        began = time.time()
        try:
            if self.loader is None:
                self.loader = Loader(self.keeping.directory, open_store(self.keeping.url))
            parts = self.loader.parts()
            if behind is not None:
                behind.submit(self._take, parts, time.monotonic() + self.leisure).result()
            self._take(parts)
            self._prune(self.loader)
        except StoreError as exc:
            self._let_go()  # it may have been moved away: opening it makes a new one
            self._say(str(exc))
            return False
        except Exception as exc:  # noqa: BLE001 - the journals wait for whoever mends it
            log.error("loader_crashed", **describe_crash(exc))
            self._say(type(exc).__name__)
            return False
        self.status = msgspec.structs.replace(self.status, complete_until=to_milliseconds(began))
        self._say(None)
        return True

    def _take(self, parts: Iterator[Loaded], until: float | None = None) -> None:
        for loaded in parts:
            self._say(self.status.problem, loaded)  # whether all is well, is not known yet
            if until is not None and (time.monotonic() >= until or self.wait(0)):
                return

    def _prune(self, loader: Loader) -> None:
        if time.monotonic() - self.pruned < _BETWEEN_PRUNINGS:
            return
        elapsed_ms = int((time.monotonic() - self.began) * 1000)
        now_ms = believable_ms(_now_ms(), began_ms=self.began_ms, elapsed_ms=elapsed_ms)
        days, max_bytes = self.keeping.days, self.keeping.max_bytes
        loader.prune_refused(now_ms=now_ms, days=days)
        pruned = prune(loader.store, now_ms=now_ms, days=days, max_bytes=max_bytes)
        if pruned.is_done:
            self.pruned = time.monotonic()

    def _say(self, problem: str | None, loaded: Loaded = _NOTHING) -> None:
        if problem != self.status.problem:
            if problem is None:
                log.info("store_works_again")
            else:
                log.error("store_failed", problem=problem)
        self.status = msgspec.structs.replace(
            self.status,
            at=to_milliseconds(time.time()),
            problem=problem,
            read_bytes=self.loader.read_bytes if self.loader else 0,
            rows=self.status.rows + loaded.rows,
            damaged_bytes=self.status.damaged_bytes + loaded.damaged_bytes,
            unreadable=self.status.unreadable + loaded.unreadable,
        )
        write_status(self.shared_state, self.status)


def _use_idle_scheduling() -> None:
    """Let this thread run when nothing else wants to; without privileges that is for good."""
    with suppress(OSError, AttributeError):  # a sandbox may forbid it; not all systems have it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
