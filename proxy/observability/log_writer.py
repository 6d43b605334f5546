"""
The way out of the log: lines wait in memory, and a thread writes them.

Whoever logs never waits for a pipe that nobody reads or for a slow disk. Beyond a limit lines
are dropped and counted; once something can be written again, a line says how many.
"""

from __future__ import annotations

import fcntl
import math
import os
import select
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Final

_MAX_BYTES: Final = 4 * 1024 * 1024
_COLLECT_SECONDS: Final = 0.02
"""Time in which lines are collected, so that a busy process does not wake the thread for each."""
_STALLED_SECONDS: Final = 1.0
"""Time without a written batch after which a process that ends gives its last lines up."""
_FINISH_SECONDS: Final = 10.0
"""Limit on writing the last lines, however steadily they are read."""
_BATCH_BYTES: Final = 64 * 1024


class LogWriter:
    """Writes the lines of one process to a descriptor; may be used from any thread."""

    def __init__(
        self,
        descriptor: int,
        report_loss: Callable[[int, float], None],
        *,
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        """Call `report_loss` with the number of dropped lines and the time of the first of them."""
        self.observe_loss: Callable[[int], None] = lambda _: None
        """Called with the number of lines whenever some are dropped."""
        self._descriptor = descriptor
        self._report_loss = report_loss
        self._max_bytes = max_bytes
        self.is_terminal = os.isatty(descriptor)
        mode = os.fstat(descriptor).st_mode
        self._needs_lock = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        """True if what one process writes may arrive in the middle of another's line."""
        self._is_torn = False
        """True if the last line was written in part, as on a disk that has become full."""
        self._changed = threading.Condition()  # reentrant, so that a signal handler may log
        self._lines: list[bytes] = []
        self._waiting_bytes = 0
        """Bytes of lines that are not written yet, including those that the thread has taken."""
        self._lost = 0
        self._lost_since = 0.0
        self._thread: threading.Thread | None = None
        self._is_finishing = threading.Event()
        self._finish_deadline = self._stall_deadline = math.inf

    def add(self, line: str) -> None:
        """Add a line, or drop it if too many wait."""
        encoded = f"{line}\n".encode(errors="backslashreplace")
        with self._changed:
            fits = self._waiting_bytes + len(encoded) <= self._max_bytes
            has_room = fits or self._is_own_thread  # there is always room for the line of losses
            if has_room:
                self._lines.append(encoded)
                self._waiting_bytes += len(encoded)
                if self._thread is None:
                    thread = threading.Thread(target=self._run, name="log", daemon=True)
                    with suppress(RuntimeError):  # too many threads; the next line tries again
                        thread.start()
                        self._thread = thread
                if len(self._lines) == 1:
                    self._changed.notify_all()
        if not has_room:
            self._lose(1)
        elif self._is_finishing.is_set() and not self._is_own_thread:
            self._wait_until_written()

    debug = info = warning = error = critical = add

    def finish(self) -> None:
        """
        Wait until everything is written, for as long as some is read each second.

        Lines that are added later are waited for as well, within the same ten seconds: a
        process may end right after them, and its thread with it.
        """
        if not self._is_finishing.is_set():
            now = time.monotonic()
            self._finish_deadline = now + _FINISH_SECONDS
            self._stall_deadline = now + _STALLED_SECONDS
            self._is_finishing.set()
        self._wait_until_written()

    @property
    def _is_own_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def _wait_until_written(self) -> None:
        with self._changed:
            while self._waiting_bytes:
                deadline = min(self._stall_deadline, self._finish_deadline)
                if (left := deadline - time.monotonic()) <= 0:
                    return
                self._changed.wait(left)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
            self._is_finishing.wait(_COLLECT_SECONDS)
            with self._changed:
                lines, self._lines = self._lines, []
            for batch in _batches(lines):
                with _locked(self._descriptor) if self._needs_lock else nullcontext():
                    self._write_batch(batch)

    def _write_batch(self, batch: list[bytes]) -> None:
        data = b"".join(batch)
        try:
            self._write(data)
        except OSError:
            self._lose(len(batch))
        else:
            with self._changed:
                lost, self._lost = self._lost, 0
            if lost:
                self._report_loss(lost, self._lost_since)
        with self._changed:
            self._waiting_bytes -= len(data)
            if self._is_finishing.is_set():
                self._stall_deadline = time.monotonic() + _STALLED_SECONDS
            self._changed.notify_all()

    def _write(self, data: bytes) -> None:
        if self._is_torn:
            data = b"\n" + data
        while data:
            try:
                written = os.write(self._descriptor, data)
            except BlockingIOError:  # whoever started this process wants no write to wait
                select.select((), (self._descriptor,), ())
            else:
                data = data[written:]
                self._is_torn = bool(data)

    def _lose(self, count: int) -> None:
        with self._changed:
            if not self._lost:
                self._lost_since = time.time()
            self._lost += count
        self.observe_loss(count)


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Keep the other processes from writing to a pipe or socket; a process that ends unlocks it."""
    with suppress(OSError):  # a system that cannot: then lines may be torn while a pipe is full
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.lockf(descriptor, fcntl.LOCK_UN)


def _batches(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Part one line or more into batches: large ones, as after each write others may go first."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and size + len(line) > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    yield batch
