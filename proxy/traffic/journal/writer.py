"""
What a worker does with its evidence: into the journal, at once, whatever the disk says.

The journal may grow to a bound, and a disk may be full. Then the oldest
contents go first, and records only after all of them; records that cannot be
written wait in memory. Whatever is let go of is counted and logged.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from proxy.traffic.content import Content
from proxy.traffic.journal.segments import (
    CONTENTS,
    FILE_BYTES,
    RECORDS,
    SegmentWriter,
    files_of,
    is_complete,
)
from proxy.traffic.record import ShadowRecord, TrafficRecord

log = structlog.get_logger()

_MAX_WAITING: Final = 10_000
"""Records, of about a kilobyte."""
_ENCODER: Final = msgspec.msgpack.Encoder()


class JournalObserver(Protocol):
    """Who counts what is not kept."""

    def records_lost(self, count: int) -> None:
        """So many records are nowhere but in the log."""

    def journal_dropped(self, kind: str, size: int) -> None:
        """So many bytes of `contents` or `records` made room for newer ones."""


class JournalWriter:
    """One worker's evidence."""

    def __init__(
        self,
        directory: Path,
        observer: JournalObserver,
        *,
        max_bytes: int,
        file_bytes: int = FILE_BYTES,
    ) -> None:
        self._directory = directory
        self._observer = observer
        self._max_bytes = max_bytes
        self._records = SegmentWriter(directory, RECORDS, file_bytes=file_bytes)
        self._contents = SegmentWriter(directory, CONTENTS, file_bytes=file_bytes)
        self._waiting: deque[bytes] = deque()
        self._alone = threading.Lock()
        """With the contents' journal: they come from threads."""
        self.problem: str | None = None
        """Why records wait in memory."""

    def add(self, entry: TrafficRecord | ShadowRecord) -> None:
        """Write a record down; it is not lost if the process dies now."""
        self._waiting.append(_ENCODER.encode(entry))
        try:
            self._write_waiting()
        except OSError as exc:
            self._fail(exc)
            return
        if self.problem is not None:
            self.problem = None
            log.info("journal_works_again")

    def add_content(self, content: Content) -> None:
        """The same for what was said, which may have to go; from any thread."""
        payload = _ENCODER.encode(content)
        if self.problem is not None:  # what room there is, is for records
            self.give_up_content(len(payload))
            return
        with self._alone:
            try:
                self._append(self._contents, payload)
            except OSError:
                self.give_up_content(len(payload))

    def give_up_content(self, size: int) -> None:
        """Note that something is not kept, of about so many bytes."""
        self._observer.journal_dropped("contents", size)

    def end_old(self, seconds: float) -> None:
        """End files that were begun so long ago: what is loaded is kept in the store alone."""
        self._records.end_old(seconds)
        with self._alone:
            self._contents.end_old(seconds)

    def close(self) -> None:
        """Write down what waits, if that is possible at last."""
        with suppress(OSError):
            self._write_waiting()
        self._lose(len(self._waiting))
        self._records.close()
        self._contents.close()

    def _write_waiting(self) -> None:
        while self._waiting:
            try:
                self._append(self._records, self._waiting[0])
            except OSError:
                with self._alone:
                    self._contents.close()  # so that what is in there can go, too
                if not self._drop_oldest(CONTENTS):
                    raise
                self._append(self._records, self._waiting[0])
            self._waiting.popleft()

    def _append(self, journal: SegmentWriter, payload: bytes) -> None:
        if journal.begins_a_file:
            self._make_room()
        journal.append(payload)

    def _make_room(self) -> None:
        """Keep the journals of all workers within a bound."""
        for kind in (CONTENTS, RECORDS):
            while waiting_bytes(self._directory) > self._max_bytes and self._drop_oldest(kind):
                pass

    def _drop_oldest(self, kind: str) -> bool:
        """Remove the oldest file of a kind that nobody writes to; whether there was one."""
        for path in files_of(self._directory, kind):
            with suppress(OSError):
                if is_complete(path):
                    size = path.stat().st_size
                    path.unlink()
                    word = "contents" if kind == CONTENTS else "records"
                    self._observer.journal_dropped(word, size)
                    log.error("journal_dropped", kind=word, bytes=size)
                    return True
        return False

    def _fail(self, problem: OSError) -> None:
        if self.problem is None:
            log.error("journal_failed", directory=str(self._directory), reason=problem.strerror)
        self.problem = problem.strerror or type(problem).__name__
        too_many = len(self._waiting) - _MAX_WAITING
        for _ in range(too_many):
            self._waiting.popleft()
        self._lose(max(too_many, 0))

    def _lose(self, count: int) -> None:
        if count:
            self._observer.records_lost(count)
            log.error("records_lost", count=count)


def waiting_bytes(directory: Path) -> int:
    """What is in the journals of all workers."""
    size = 0
    for path in directory.glob("*"):
        with suppress(OSError):
            size += path.stat().st_size
    return size
