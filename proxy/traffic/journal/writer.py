"""
Writes the records and contents of one worker to its journal.

The journals have a size limit, and a disk may be full. Then the oldest contents are deleted
first, and records only when no contents are left. Records that cannot be written wait in
memory. Every loss is counted and logged.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from proxy.late_log import log
from proxy.traffic.content import Content
from proxy.traffic.journal.segments import (
    CONTENTS,
    FILE_BYTES,
    RECORDS,
    SegmentWriter,
    files_of,
    is_complete,
    waiting_bytes,
)
from proxy.traffic.record import ShadowRecord, TrafficRecord

_MAX_WAITING_RECORDS: Final = 10_000
"""Limit on records that wait in memory, each about a kilobyte."""
_MAX_SEGMENT_SECONDS: Final = 60
"""Age at which a file is ended, so that the loader can store and remove it."""
_ENCODER: Final = msgspec.msgpack.Encoder()


class JournalObserver(Protocol):
    """Counts the entries that could not be kept."""

    def records_lost(self, count: int) -> None:
        """Count records that could not be written and exist only in the log."""

    def journal_dropped(self, kind: str, size: int) -> None:
        """Count bytes of `contents` or `records` that were deleted or not written."""


class JournalWriter:
    """The journal of one worker."""

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
        self._contents_lock = threading.Lock()
        """Guards the journal of contents, which several threads write."""
        self.problem: str | None = None
        """Reason why records wait in memory; None if they can be written."""

    def add(self, entry: TrafficRecord | ShadowRecord) -> None:
        """Write a record; once this returns, it survives the death of the process."""
        self._waiting.append(_ENCODER.encode(entry))
        try:
            self._write_waiting()
        except OSError as exc:
            if self.problem is None:
                log.error("journal_failed", directory=str(self._directory), reason=exc.strerror)
            self.problem = exc.strerror or type(exc).__name__
            too_many = max(len(self._waiting) - _MAX_WAITING_RECORDS, 0)
            for _ in range(too_many):
                self._waiting.popleft()
            self._lose(too_many)
        else:
            if self.problem is not None:
                self.problem = None
                log.info("journal_works_again")

    def add_content(self, content: Content) -> None:
        """Write contents, or drop them if there is no room; may be called from any thread."""
        payload = _ENCODER.encode(content)
        if self.problem is not None:  # the room that is left is for records
            self.give_up_content(len(payload))
            return
        with self._contents_lock:
            try:
                self._append(self._contents, payload)
            except OSError:
                self.give_up_content(len(payload))

    def give_up_content(self, size: int) -> None:
        """Count contents of about `size` bytes that are not kept."""
        self._observer.journal_dropped("contents", size)

    async def keep_ending_old(self) -> None:
        """
        End files that are a minute old, until cancelled.

        One without new entries would otherwise outlive the retention of its contents.
        """
        while True:
            await asyncio.sleep(_MAX_SEGMENT_SECONDS)
            self.end_old(_MAX_SEGMENT_SECONDS)

    def end_old(self, seconds: float) -> None:
        """End files older than `seconds`, so that loaded entries stay in the store alone."""
        self._records.end_old(seconds)
        with self._contents_lock:
            self._contents.end_old(seconds)

    def close(self) -> None:
        """Write waiting records if possible, count the rest as lost, and close the files."""
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
                with self._contents_lock:
                    self._contents.close()  # only an ended file can be dropped
                if not self._drop_oldest(CONTENTS):
                    raise
                self._append(self._records, self._waiting[0])
            self._waiting.popleft()

    def _append(self, journal: SegmentWriter, payload: bytes) -> None:
        if journal.begins_a_file:
            # Delete old files until the journals of all workers are within the limit.
            for kind in (CONTENTS, RECORDS):
                while waiting_bytes(self._directory) > self._max_bytes and self._drop_oldest(kind):
                    pass
        journal.append(payload)

    def _drop_oldest(self, kind: str) -> bool:
        """Delete the oldest complete file of a kind; return False if there is none."""
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

    def _lose(self, count: int) -> None:
        if count:
            self._observer.records_lost(count)
            log.error("records_lost", count=count)
