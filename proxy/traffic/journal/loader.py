"""
From the journals into the store: everything, once, in batches.

A file is read for as long as its writer lives, and removed when it is
complete and all of it is in the store. Where a file was read before, its
entries are there already, and adding them again changes nothing; so nothing
has to be remembered, and a loader may die at any moment. A file with something
in it that cannot be loaded, by this version, is put aside.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog

from proxy.errors import Blame
from proxy.outcome import outcome_of_old_record
from proxy.private_files import make_directory, open_file
from proxy.traffic.content import Content
from proxy.traffic.journal.segments import CONTENTS, RECORDS, files_of, is_complete, read_frames
from proxy.traffic.journal.writer import waiting_bytes
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.errors import UnacceptableEntry
from proxy.traffic.store.store import Entry, Store

log = structlog.get_logger()

_BATCH: Final = 100
"""Some five milliseconds of work, in which nobody else may write into the store."""
_AT_A_TIME: Final = 128 * 1024
_MAX_REFUSED: Final = 64 * 1024 * 1024
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
    """What one look at the journals came to."""

    rows: int = 0
    """New in the store."""
    damaged_bytes: int = 0
    """Passed over: half-written when a worker died, or broken since."""
    unreadable: int = 0
    """Whole, and of no kind that is known here, or that the store refuses."""

    def __add__(self, other: Loaded) -> Loaded:
        return Loaded(
            rows=self.rows + other.rows,
            damaged_bytes=self.damaged_bytes + other.damaged_bytes,
            unreadable=self.unreadable + other.unreadable,
        )


@dataclass(slots=True)
class Loader:
    """Loads one directory of journals; one of its kind at a time (`alone`)."""

    directory: Path
    store: Store
    most_refused: int = _MAX_REFUSED
    """Bytes of files that are put aside; others are removed."""
    _read: dict[str, int] = field(default_factory=dict[str, int])
    """How far each file has been read, in bytes."""
    _refused: set[str] = field(default_factory=set[str])
    """Files with something in them that is not in the store."""

    @property
    def read_bytes(self) -> int:
        """Of the files that are there: what has been read."""
        return sum(self._read.values())

    def load(self) -> Loaded:
        """Load what is there; raises `StoreError`, and then what is left is loaded next time."""
        return sum(self.parts(), start=Loaded())

    def parts(self) -> Iterator[Loaded]:
        """The same, piece by piece."""
        # Records first: what was said makes no sense without them.
        paths = [*files_of(self.directory, RECORDS), *files_of(self.directory, CONTENTS)]
        for path in paths:
            with suppress(FileNotFoundError):  # it made room for newer ones
                yield from self._load_file(path)
        self._read = {name: end for name, end in self._read.items() if name in _names(paths)}

    def prune_refused(self, *, now_ms: int, days: int) -> None:
        """What was put aside is kept no longer than anything else; 0 days are no bound."""
        for path in self._aside.glob("*") if days else ():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < now_ms / 1000 - days * _DAY_SECONDS:
                    path.unlink()

    @property
    def _aside(self) -> Path:
        return self.directory.parent / "refused"

    def _load_file(self, path: Path) -> Iterator[Loaded]:
        was_complete = is_complete(path)  # asked first: what is written meanwhile is not missed
        for payloads, damaged, end in _pieces(path, self._read.get(path.name, 0), was_complete):
            loaded = self._add(payloads)
            self._read[path.name] = end
            if damaged:
                log.error("journal_damaged", file=path.name, bytes=damaged)
            if loaded.unreadable:
                self._refused.add(path.name)
                log.error("journal_unreadable", file=path.name, entries=loaded.unreadable)
            yield loaded + Loaded(damaged_bytes=damaged)
        if was_complete:
            self._finish(path)

    def _finish(self, path: Path) -> None:
        """Remove it, or put it aside for a version that knows more."""
        if path.name not in self._refused:
            path.unlink()
        elif waiting_bytes(self._aside) + path.stat().st_size > self.most_refused:
            path.unlink()
            log.error("journal_refused", file=path.name, removed=True)
        else:
            make_directory(self._aside)
            aside = path.rename(self._aside / path.name)
            log.error("journal_refused", file=path.name, kept=str(aside))
        self._read.pop(path.name, None)
        self._refused.discard(path.name)

    def _add(self, payloads: tuple[bytes, ...]) -> Loaded:
        entries = list(_entries(payloads))
        loaded = Loaded(unreadable=len(payloads) - len(entries))
        for start in range(0, len(entries), _BATCH):
            loaded += self._add_batch(entries[start : start + _BATCH])
        return loaded

    def _add_batch(self, batch: list[Entry]) -> Loaded:
        """Add them, one by one if the store refuses one of them."""
        try:
            return Loaded(rows=self.store.add(batch))
        except UnacceptableEntry:
            if len(batch) == 1:
                return Loaded(unreadable=1)
            return sum((self._add_batch([entry]) for entry in batch), start=Loaded())


def _names(paths: list[Path]) -> set[str]:
    return {path.name for path in paths}


def _pieces(path: Path, start: int, complete: bool) -> Iterator[tuple[tuple[bytes, ...], int, int]]:
    """Payloads, damaged bytes, and where the next frame begins, piece by piece."""
    with path.open("rb") as file:
        data, position = b"", start
        file.seek(start)
        while True:
            more = file.read(max(_AT_A_TIME, len(data)))  # twice as much, where a frame is long
            data += more
            piece = read_frames(data, is_complete=complete and not more)
            if piece.payloads or piece.damaged:
                yield piece.payloads, piece.damaged, position + piece.end
            data, position = data[piece.end :], position + piece.end
            if not more:
                return


def _entries(payloads: tuple[bytes, ...]) -> Iterator[Entry]:
    for payload in payloads:
        try:
            yield _DECODER.decode(payload)
        except msgspec.MsgspecError:  # of another version
            with suppress(msgspec.MsgspecError):
                yield _record_without_outcome(payload)


def _record_without_outcome(payload: bytes) -> TrafficRecord:
    """Decode a record of a version that wrote no outcome; raises `MsgspecError` if it is none."""
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
def alone(directory: Path) -> Iterator[bool]:
    """Whether nobody else loads these journals; for as long as this lasts, nobody will."""
    make_directory(directory)
    with os.fdopen(open_file(directory.parent / "loader.lock", os.O_RDWR)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
