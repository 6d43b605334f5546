"""
Write the days that an export lacks, or of which the store has more records.

Each file is complete or not there. It is never replaced by one with fewer records, because
retention may have deleted them since: so an export may also be an archive.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from proxy.private_files import make_directory, remove_temporary_files, temporary_file
from proxy.timestamps import DAY_MS
from proxy.traffic.export import json_lines
from proxy.traffic.export.errors import ExportError
from proxy.traffic.export.manifest import FileFormat, Manifest, read_manifest, write_manifest
from proxy.traffic.export.rows import Row, row_of
from proxy.traffic.store.days import KINDS, Day, RecordKind, days_of, pages_of
from proxy.traffic.store.store import Store


class FileType(Protocol):
    """A module that knows a format of files."""

    @property
    def SUFFIX(self) -> str:  # noqa: N802 - a constant of the module
        """The end of names of files."""

    def write_file(self, file: IO[bytes], kind: RecordKind, pages: Iterable[list[Row]], /) -> None:
        """Write the rows of all pages to a file."""

    def rows_in(self, path: Path) -> int:
        """Return the number of rows of a file; 0 if it is damaged or not there."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is being written; `opened` makes it."""

    directory: Path
    manifest: Manifest
    files: FileType

    def missing(self, store: Store, since_ms: int, until_ms: int) -> list[Day]:
        """Return the days of this period that have to be written, both ends rounded to days."""
        until_ms = -(-until_ms // DAY_MS) * DAY_MS
        days = (day for kind in KINDS for day in days_of(store, kind, since_ms, until_ms))
        there = self.manifest.days
        missing = [day for day in days if day.rows > there.get(day.kind.name, {}).get(day.date, 0)]
        return sorted(missing, key=lambda day: day.begin_ms)

    def write(self, store: Store, day: Day, observe: Callable[[int], None]) -> None:
        """Write a day, and tell `observe` of each number of rows that is done."""
        name = f"{day.kind.name}{self.files.SUFFIX}"
        path = self.directory / day.kind.name / f"date={day.date}" / name
        make_directory(path.parent)
        remove_temporary_files(path)
        written = 0

        def pages() -> Iterator[list[Row]]:
            nonlocal written
            for page in pages_of(store, day):
                yield list(map(row_of, page))
                written += len(page)
                observe(len(page))

        with temporary_file(path) as (beside, file):
            self.files.write_file(file, day.kind, pages())
            file.close()
            there = self.files.rows_in(path)
            if written > there:
                beside.replace(path)
        self.manifest.days.setdefault(day.kind.name, {})[day.date] = max(written, there)
        write_manifest(self.directory, self.manifest)


@contextmanager
def opened(directory: Path, file_format: FileFormat) -> Iterator[Export]:
    """Begin an export or go on with one, as its only writer; raises `ExportError`, `OSError`."""
    files = _file_type(file_format)
    make_directory(directory)
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ExportError(f"another export to {directory} is running") from exc
        yield Export(directory, read_manifest(directory, file_format), files)
    finally:
        os.close(handle)


def _file_type(file_format: FileFormat) -> FileType:
    if file_format == "jsonl":
        return json_lines
    try:
        from proxy.traffic.export import parquet  # noqa: PLC0415 - may not be installed
    except ImportError as exc:
        raise ExportError(
            "Parquet needs pyarrow: pip install 'holdover[parquet]', or write `--format jsonl`"
        ) from exc
    return parquet
