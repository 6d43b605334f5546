"""
The loader process: moves entries from the journals of all workers into the store.

If the store fails, the entries stay in the journals and the loader tries again.

Loading is not urgent, but it competes with the workers for the processor. So for
`_IDLE_PRIORITY_SECONDS` it loads only at moments when the processor is idle, on a thread
with idle priority; what is left then, the main thread loads with normal priority.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec
import structlog

from proxy.security.redaction import describe_crash
from proxy.timestamps import to_milliseconds
from proxy.traffic.idle_thread import IdleThread, Result
from proxy.traffic.journal.loader import (
    LARGE_PIECE,
    SMALL_PIECE,
    Loaded,
    Loader,
    loader_lock,
)
from proxy.traffic.machines import sharing_notes
from proxy.traffic.status import (
    LoaderConfig,
    LoaderStatus,
    loader_state_in,
    read_status,
    write_status,
)
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.lazy_open import open_store
from proxy.traffic.store.partitions import make_days_ahead
from proxy.traffic.store.retention import Retention, believable_ms, compact, prune
from proxy.traffic.store.rollups.build import (
    build_step,
    missing_from,
    progress_of,
    rebuild_deleted,
)
from proxy.traffic.store.rollups.ledger import different_days
from proxy.traffic.store.store import Store
from proxy.traffic.store.text_index.build import BlockBuilder
from proxy.workers.shared_state import SharedState

log = structlog.get_logger()

_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 2.0
_PRUNE_SECONDS: Final = 60.0
_DELETED_SECONDS: Final = 600.0
"""Time between two looks for deleted rollups, each of which reads them all."""
_IDLE_PRIORITY_SECONDS: Final = 10.0
_BUILD_SECONDS: Final = 1.0
"""Time for rollups of older records in each look, beside new records."""
_INDEX_PAUSE_SECONDS: Final = 10.0
"""Pause before the next look for texts to index, if there were none."""
_COMPACT_STEPS: Final = 20
"""Buckets that are compacted in each look."""
_NOTHING: Final = Loaded()


def run_loader(
    config: LoaderConfig,
    wait: Callable[[float], bool],
    *,
    idle_seconds: float | None = _IDLE_PRIORITY_SECONDS,
    build_seconds: float = _BUILD_SECONDS,
) -> None:
    """
    Load until `wait` returns True, then once more.

    `wait` is called with the seconds until the next look and returns True when the service
    ends. Each look uses idle priority for at most `idle_seconds`, and builds rollups of older
    records, and the text index, for `build_seconds` each, at least a step. While the directory
    of the journals cannot be used or another loader holds its lock, this only waits.

    In a process that does something else as well, `idle_seconds` is None: a thread of idle
    priority would keep the interpreter from all others while it waits for the processor. Then
    texts are not indexed.
    """
    problem: OSError | None = None
    while True:
        with ExitStack() as stack:
            try:
                is_alone = stack.enter_context(loader_lock(config.directory))
            except OSError as exc:
                if problem is None:
                    log.error("loader_waits", directory=str(config.directory), reason=exc.strerror)
                is_alone, problem = False, exc
            if is_alone:
                _Loading(config, wait, idle_seconds, build_seconds).run()
                return
        if wait(_RETRY_SECONDS):
            return


@dataclass(slots=True)
class _Loading:
    config: LoaderConfig
    wait: Callable[[float], bool]
    idle_seconds: float | None
    build_seconds: float
    shared_state: SharedState = field(init=False)
    status: LoaderStatus = field(init=False)
    loader: Loader | None = None
    is_building: bool = False
    block: BlockBuilder | None = None
    """The block of the text index that is being built."""
    index_pause_ends: float = float("-inf")
    pruned: float = float("-inf")
    looked_for_deleted: float = float("-inf")
    began: float = field(default_factory=time.monotonic)
    began_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.began_ms = _now_ms()
        self.shared_state = loader_state_in(self.config.directory)
        noted = read_status(self.shared_state) or LoaderStatus()
        # Its clock may have been that of an earlier start of the machine.
        self.status = msgspec.structs.replace(noted, look_began=0.0)

    def run(self) -> None:
        is_over = False
        with sharing_notes(self.config), self._idle_thread() as idle:
            while not is_over:
                is_well = self._look(idle)
                is_over = self.wait(_POLL_SECONDS if is_well else _RETRY_SECONDS)
        self._look()
        self._close()

    def _idle_thread(self) -> AbstractContextManager[IdleThread | None]:
        return nullcontext() if self.idle_seconds is None else IdleThread()

    def _close(self) -> None:
        self.block = None
        if self.loader is not None:
            self.loader.store.close()
            self.loader = None

    def _look(self, idle: IdleThread | None = None) -> bool:
        """Load all entries, at first in `idle`; return False if the store or the loader failed."""
        began, look_began = time.time(), time.monotonic()
        try:
            if self.loader is None:
                self.loader = Loader(self.config.directory, open_store(self.config.url))
            until = time.monotonic() + (self.idle_seconds or 0)
            for piece in self.loader.pieces(partial(_piece_size, idle, until)):
                loaded = self._run_at_leisure(partial(self.loader.add, piece), idle, until)
                # A problem is over only after the whole look.
                self._report(self.status.problem, loaded)
            if self._build(self.loader.store):
                self._keep_small(self.loader)
                if idle is not None and self.config.text_index:
                    self._index(self.loader.store, idle)
        except StoreError as exc:
            self._close()  # if the file was moved away, opening creates a new one
            self._report(str(exc))
            return False
        except Exception as exc:  # noqa: BLE001 - the process must survive; the journals keep the entries
            log.error("loader_crashed", **describe_crash(exc))
            self._report(type(exc).__name__)
            return False
        self.status = msgspec.structs.replace(
            self.status, complete_until=to_milliseconds(began), look_began=look_began
        )
        self._report(None)
        return True

    def _run_at_leisure(
        self, work: Callable[[], Result], idle: IdleThread | None, until: float
    ) -> Result:
        """Run `work` as soon as the processor is idle; at `until`, or at the end, run it anyway."""
        while idle is not None and time.monotonic() < until and not self.wait(0):
            if idle.is_processor_idle():
                return idle.run(work)
        return work()

    def _build(self, store: Store) -> bool:
        """Build rollups of older records for a moment; return True if none are left."""
        until = time.monotonic() + self.build_seconds
        with store.engine.connect() as connection:
            progress = progress_of(connection)
        if progress.left and not self.is_building:
            log.warning("rollups_building", exchanges=progress.left)
            self.is_building = True
        while progress.left:
            with store.writing() as connection:
                progress = build_step(connection)
            if time.monotonic() >= until:
                break
        if self.is_building and not progress.left:
            log.info("rollups_built", exchanges=progress.target)
        self.is_building = progress.left > 0
        return not self.is_building

    def _index(self, store: Store, idle: IdleThread) -> None:
        """Go on for a moment with a block of the text index."""
        if time.monotonic() < self.index_pause_ends:
            return
        # Taken away meanwhile, so that a block that failed half way is begun anew.
        block, self.block = self.block, None
        if block is None:
            with store.reading() as connection:
                block = BlockBuilder.next(connection, _now_ms())
        if block is None:
            self.index_pause_ends = time.monotonic() + _INDEX_PAUSE_SECONDS
            return
        until = time.monotonic() + self.build_seconds
        while not block.is_read:
            self._run_at_leisure(partial(_read, block, store), idle, until)
            if time.monotonic() >= until:
                break
        if block.is_read:
            with store.writing() as connection:
                block.write(connection)
        else:
            self.block = block

    def _find_deleted(self, store: Store) -> bool:
        """
        Look for deleted rollups now and then; return True if some are built from records.

        How many exchanges are lost with the others is said once.
        """
        if time.monotonic() - self.looked_for_deleted < _DELETED_SECONDS:
            return False
        with store.reading() as connection:
            is_different = bool(different_days(connection))
        days: Mapping[str, int] = {}
        if is_different:
            with store.writing() as connection:
                progress = rebuild_deleted(connection)
                days = missing_from(connection).lost
            if progress.left:
                log.error("rollups_deleted", exchanges=progress.left)
                return True
        lost = sum(days.values())
        if lost > self.status.lost:
            log.error("rollups_lost", exchanges=lost, days=days)
        self.status = msgspec.structs.replace(self.status, lost=lost)
        self.looked_for_deleted = time.monotonic()
        return False

    def _keep_small(self, loader: Loader) -> None:
        """Compact rollups and prune the store now and then, or go on with that."""
        if time.monotonic() - self.pruned < _PRUNE_SECONDS:
            return
        elapsed_ms = int((time.monotonic() - self.began) * 1000)
        now_ms = believable_ms(_now_ms(), began_ms=self.began_ms, elapsed_ms=elapsed_ms)
        with loader.store.writing() as connection:
            make_days_ahead(connection, now_ms)
        if self._find_deleted(loader.store):
            return
        is_compact = compact(loader.store, now_ms=now_ms, most_steps=_COMPACT_STEPS)
        config = self.config
        loader.prune_refused(now_ms=now_ms, days=config.days)
        retention = Retention(
            content_days=config.content_days, days=config.days, rollup_days=config.rollup_days
        )
        pruned = prune(loader.store, now_ms=now_ms, retention=retention, max_bytes=config.max_bytes)
        if pruned.is_done and is_compact:
            self.pruned = time.monotonic()

    def _report(self, problem: str | None, loaded: Loaded = _NOTHING) -> None:
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


def _piece_size(idle: IdleThread | None, until: float) -> int:
    """Return how large a piece may be: small before `until`, if it is loaded with idle priority."""
    return SMALL_PIECE if idle is not None and time.monotonic() < until else LARGE_PIECE


def _read(block: BlockBuilder, store: Store) -> None:
    with store.engine.connect() as connection:
        block.read(connection)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
