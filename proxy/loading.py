"""
Keeping the store up with the journals, beside the serving: a process that does nothing else.

Whatever is wrong with the store, the journals wait, and it is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog

from proxy.evidence import LoaderStatus, board_of, read_status, write_status
from proxy.noticeboard import Noticeboard
from proxy.redaction import describe_crash
from proxy.traffic import StoreProblem, open_store
from proxy.traffic.loader import Loaded, Loader, alone
from proxy.traffic.retention import prune
from proxy.traffic.store import Store

log = structlog.get_logger()

_BETWEEN_LOOKS: Final = 0.5
_BETWEEN_TRIES: Final = 2.0
_BETWEEN_PRUNINGS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is loaded where, and for how long it is kept."""

    directory: Path
    url: str = field(repr=False)
    days: int
    max_bytes: int


def keep_loading(keeping: Keeping, wait: Callable[[float], bool]) -> None:
    """Load until `wait`, which waits so many seconds, says that it is over; then once more."""
    while True:
        with alone(keeping.directory) as is_alone:
            if is_alone:
                _Loading(keeping).run(wait)
                return
        if wait(_BETWEEN_TRIES):
            return


@dataclass(slots=True)
class _Loading:
    keeping: Keeping
    board: Noticeboard = field(init=False)
    status: LoaderStatus = field(init=False)
    loader: Loader | None = None
    pruned: float = float("-inf")

    def __post_init__(self) -> None:
        self.board = board_of(self.keeping.directory)
        self.status = read_status(self.board) or LoaderStatus()

    def run(self, wait: Callable[[float], bool]) -> None:
        """Look again and again."""
        is_over = False
        while not is_over:
            is_well = self._look()
            is_over = wait(_BETWEEN_LOOKS if is_well else _BETWEEN_TRIES)
        self._look()
        self._let_go()

    def _let_go(self) -> None:
        if self.loader is not None:
            self.loader.store.close()
            self.loader = None

    def _look(self) -> bool:
        try:
            if self.loader is None:
                self.loader = Loader(self.keeping.directory, open_store(self.keeping.url))
            loaded = self.loader.load()
            self._prune(self.loader.store)
        except StoreProblem as exc:
            self._let_go()  # it may have been moved away: opening it makes a new one
            self._say(Loaded(), str(exc))
            return False
        except Exception as exc:  # noqa: BLE001 - the journals wait for whoever mends it
            log.error("loader_crashed", **describe_crash(exc))
            self._say(Loaded(), type(exc).__name__)
            return False
        self._say(loaded, None)
        return True

    def _prune(self, store: Store) -> None:
        if time.monotonic() - self.pruned < _BETWEEN_PRUNINGS:
            return
        pruned = prune(
            store,
            now_ms=time.time_ns() // 1_000_000,
            days=self.keeping.days,
            max_bytes=self.keeping.max_bytes,
        )
        if pruned.is_done:
            self.pruned = time.monotonic()

    def _say(self, loaded: Loaded, problem: str | None) -> None:
        if problem != self.status.problem:
            if problem is None:
                log.info("store_works_again")
            else:
                log.error("store_failed", problem=problem)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.status = msgspec.structs.replace(
            self.status,
            at=now,
            problem=problem,
            entries=self.status.entries + loaded.entries,
            damaged_bytes=self.status.damaged_bytes + loaded.damaged_bytes,
            unreadable=self.status.unreadable + loaded.unreadable,
        )
        write_status(self.board, self.status)
