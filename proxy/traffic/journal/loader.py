"""
Loads entries from the journals into the store, in batches.

A file is followed while its writer lives, and removed once it is complete and all of it is
in the store. The store skips entries that it already has, so the read positions need not
survive a restart and a loader may die at any moment. A file with an entry that this version
cannot load is moved to the directory `refused`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from proxy.errors import Blame
from proxy.late_log import log
from proxy.outcome import outcome_of_old_record
from proxy.private_files import make_directory, open_file
from proxy.traffic.content import Content
from proxy.traffic.journal.segments import (
    CONTENTS,
    RECORDS,
    files_of,
    is_complete,
    read_frames,
    waiting_bytes,
)
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.errors import UnacceptableEntry
from proxy.traffic.store.store import Entry, Store

SMALL_PIECE: Final = 128 * 1024
"""Bytes of about 150 records, which take 10 ms: for those who may be held up in between."""
LARGE_PIECE: Final = 6 * SMALL_PIECE
"""Bytes of about 900 records, which take less time each."""
_MAX_REFUSED_BYTES: Final = 64 * 1024 * 1024
_DAY_SECONDS: Final = 86_400
_DECODER: Final = msgspec.msgpack.Decoder(TrafficRecord | ShadowRecord | Content)


class _RecordWithoutOutcome(msgspec.Struct, kw_only=True, tag="exchange"):
    route: str | None
    status: int | None
    error_type: str | None
    blame: Blame
    client_gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Counts of a pass over the journals, or of a part of it."""

    rows: int = 0
    """Number of rows that are new in the store."""
    damaged_bytes: int = 0
    """Skipped bytes: written incompletely when a worker died, or damaged since."""
    unreadable: int = 0
    """Intact entries that this version does not know or the store rejects."""

    def __add__(self, other: Loaded) -> Loaded:
        return Loaded(
            rows=self.rows + other.rows,
            damaged_bytes=self.damaged_bytes + other.damaged_bytes,
            unreadable=self.unreadable + other.unreadable,
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """Some entries of a journal's file, as they were written."""

    path: Path
    payloads: tuple[bytes, ...]
    damaged_bytes: int
    """Bytes between them that are no entries."""
    end: int
    """Offset in the file of what follows."""


@dataclass(slots=True)
class Loader:
    """Loads the journals of one directory; hold `loader_lock` while using it."""

    directory: Path
    store: Store
    max_refused_bytes: int = _MAX_REFUSED_BYTES
    """Limit on the files in `refused`; beyond it, such files are deleted."""
    _read: dict[str, int] = field(default_factory=dict[str, int])
    """Bytes read of each file, by its name."""
    _refused: set[str] = field(default_factory=set[str])
    """Names of files with an entry that could not be stored."""

    @property
    def read_bytes(self) -> int:
        """Bytes that have been read of the files that still exist."""
        return sum(self._read.values())

    def load(self) -> Loaded:
        """Load all entries. Raises `StoreError`; the next call continues where this one failed."""
        return sum(map(self.add, self.pieces()), start=Loaded())

    def pieces(self, size: Callable[[], int] = lambda: LARGE_PIECE) -> Iterator[Piece]:
        """
        Read the journals piece by piece; `size` says how many bytes the next one may have.

        Each piece has to be passed to `add` before the next is read: a file that has been read
        to its end is removed. A piece with a single entry may be larger.
        """
        # Records first, because contents are found through their records.
        paths = [*files_of(self.directory, RECORDS), *files_of(self.directory, CONTENTS)]
        for path in paths:
            with suppress(FileNotFoundError):  # a worker deleted it to make room
                yield from self._pieces_of(path, size)
        names = {path.name for path in paths}
        self._read = {name: end for name, end in self._read.items() if name in names}

    def prune_refused(self, *, now_ms: int, days: int) -> None:
        """Delete refused files that are older than `days`; 0 keeps them for ever."""
        for path in self._refused_directory.glob("*") if days else ():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < now_ms / 1000 - days * _DAY_SECONDS:
                    path.unlink()

    @property
    def _refused_directory(self) -> Path:
        return self.directory.parent / "refused"

    def add(self, piece: Piece) -> Loaded:
        """Load the entries of a piece. Raises `StoreError`; then the piece is read again."""
        name, entries = piece.path.name, list(_entries(piece.payloads))
        loaded = Loaded(
            unreadable=len(piece.payloads) - len(entries), damaged_bytes=piece.damaged_bytes
        )
        most = self.store.batch_entries
        for start in range(0, len(entries), most):
            loaded += self._add_batch(entries[start : start + most])
        self._read[name] = piece.end
        if piece.damaged_bytes:
            log.error("journal_damaged", file=name, bytes=piece.damaged_bytes)
        if loaded.unreadable:
            self._refused.add(name)
            log.error("journal_unreadable", file=name, entries=loaded.unreadable)
        return loaded

    def _pieces_of(self, path: Path, size: Callable[[], int]) -> Iterator[Piece]:
        # Before reading, so that nothing written meanwhile is missed.
        was_complete = is_complete(path)
        yield from _pieces(path, self._read.get(path.name, 0), was_complete, size)
        if was_complete:
            self._finish(path)

    def _finish(self, path: Path) -> None:
        """Delete a loaded file, or move it to `refused` for a newer version to load."""
        if path.name not in self._refused:
            path.unlink()
        elif waiting_bytes(self._refused_directory) + path.stat().st_size > self.max_refused_bytes:
            path.unlink()
            log.error("journal_refused", file=path.name, removed=True)
        else:
            make_directory(self._refused_directory)
            kept = path.rename(self._refused_directory / path.name)
            log.error("journal_refused", file=path.name, kept=str(kept))
        self._read.pop(path.name, None)
        self._refused.discard(path.name)

    def _add_batch(self, batch: list[Entry]) -> Loaded:
        """Add entries; if the store rejects the batch, add each half of it by itself."""
        try:
            return Loaded(rows=self.store.add(batch))
        except UnacceptableEntry:
            if len(batch) == 1:
                return Loaded(unreadable=1)
            middle = len(batch) // 2
            return self._add_batch(batch[:middle]) + self._add_batch(batch[middle:])


def _pieces(path: Path, start: int, complete: bool, size: Callable[[], int]) -> Iterator[Piece]:
    with path.open("rb") as file:
        data, position = b"", start
        file.seek(start)
        while True:
            more = file.read(max(size(), len(data)))  # doubles until a long frame fits
            data += more
            read = read_frames(data, is_complete=complete and not more)
            data, position = data[read.end :], position + read.end
            if read.payloads or read.damaged:
                yield Piece(path, read.payloads, read.damaged, position)
            if not more:
                return


def _entries(payloads: tuple[bytes, ...]) -> Iterator[Entry]:
    for payload in payloads:
        try:
            yield _DECODER.decode(payload)
        except msgspec.MsgspecError:  # written by another version
            with suppress(msgspec.MsgspecError):
                yield _record_without_outcome(payload)


def _record_without_outcome(payload: bytes) -> TrafficRecord:
    """Decode a record of a version that wrote no outcome; raises `MsgspecError`."""
    record = msgspec.msgpack.decode(payload, type=_RecordWithoutOutcome)
    outcome = outcome_of_old_record(
        route=record.route,
        status=record.status,
        error_type=record.error_type,
        blame=record.blame,
        client_gone=record.client_gone,
    )
    fields = msgspec.msgpack.decode(payload, type=dict[str, object])
    return msgspec.convert({"outcome": outcome, **fields}, TrafficRecord)


@contextmanager
def loader_lock(directory: Path) -> Iterator[bool]:
    """Try to lock the journals against other loaders; yield False if one holds the lock."""
    make_directory(directory)
    with os.fdopen(open_file(directory.parent / "loader.lock", os.O_RDWR)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
