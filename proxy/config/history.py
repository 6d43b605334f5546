"""
A history of the settings that were followed, in a file of JSON lines that only its owner can read.

    {"at": "2026-11-29T10:00:00.000+00:00", "version": "91b2...", "changes": ["share of ..."],
     "by": "alice@web-1"}

Who changes the settings with Holdover's own means writes the line at once. What somebody has
changed by hand is written down by the first worker that follows it, and nobody knows by whom.
Above `MAX_BYTES` the older half is dropped.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import msgspec

from proxy.late_log import log
from proxy.private_files import make_directory, open_file
from proxy.timestamps import to_milliseconds
from proxy.workers.shared_state import directory_for

_Write: TypeAlias = Callable[[BinaryIO], None]

MAX_BYTES: Final = 256 * 1024
_NAME: Final = "history.jsonl"


class Change(msgspec.Struct, frozen=True):
    """A version of the settings: since when it is followed, and what it has changed."""

    at: str
    version: str
    changes: tuple[str, ...] = ()
    by: str | None = None
    """Name of who changed it; None if it was changed by hand, or by an older Holdover."""


_CHANGE: Final = msgspec.json.Decoder(Change)


@dataclass(frozen=True, slots=True)
class SettingsHistory:
    """The history of one settings file on this machine."""

    directory: Path
    max_bytes: int = MAX_BYTES

    def add(self, version: str, changes: Iterable[str], by: str | None = None) -> None:
        """
        Write down a version, unless it was the last one to be written down.

        If a worker was faster, who has changed it is added to its line.
        """
        change = Change(to_milliseconds(time.time()), version, tuple(changes), by)

        def write(file: BinaryIO) -> None:
            lines = file.read().splitlines(keepends=True)
            place, last = _last(lines)
            if last is not None and last.version == version:
                if by is None or last.by is not None:
                    return
                del lines[place:]
                file.seek(0)
                file.writelines(lines)
                file.truncate()
            self._append(file, lines, change)

        self._open(write)

    def add_event(self, change: str, by: str) -> None:
        """Write down something that changes no settings, such as a guard that was re-armed."""

        def write(file: BinaryIO) -> None:
            lines = file.read().splitlines(keepends=True)
            _, last = _last(lines)
            # The last version stays the last one, so that workers write down the next.
            version = "" if last is None else last.version
            line = Change(to_milliseconds(time.time()), version, (change,), by)
            self._append(file, lines, line)

        self._open(write)

    def read(self) -> list[Change]:
        """Return what was written down, oldest first; raises `OSError`."""
        try:
            lines = (self.directory / _NAME).read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [change for _, change in _changes(lines)]

    def _open(self, write: _Write) -> None:
        try:
            is_new = not self.directory.exists()
            make_directory(self.directory)
            with os.fdopen(open_file(self.directory / _NAME, os.O_RDWR), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                write(file)
                # Else the server could not write what root has begun; others may not, and need not.
                with suppress(PermissionError):
                    _give_to_owner(self.directory, file, is_new=is_new)
        except OSError as exc:
            log.warning("history_not_kept", directory=str(self.directory), reason=exc.strerror)

    def _append(self, file: BinaryIO, lines: list[bytes], change: Change) -> None:
        # What was cut off in the middle of a line does not spoil the next one.
        is_torn = bool(lines) and not lines[-1].endswith(b"\n")
        line = b"\n" * is_torn + msgspec.json.encode(change) + b"\n"
        if file.tell() + len(line) > self.max_bytes:
            # Keep the last lines that together take at most half of it.
            ends = accumulate(map(len, reversed(lines)))
            count = sum(1 for end in ends if end <= self.max_bytes // 2)
            file.seek(0)
            file.writelines(lines[len(lines) - count :])
            file.truncate()
        file.write(line)


def history_of(state_dir: Path, config: Path) -> SettingsHistory:
    """Return the history of a settings file, which is kept where its workers meet."""
    return SettingsHistory(directory_for(state_dir, config))


def _last(lines: list[bytes]) -> tuple[int, Change | None]:
    """Return the last change and the place of its line."""
    return next(reversed([*_changes(lines)]), (len(lines), None))


def _changes(lines: Iterable[bytes]) -> Iterator[tuple[int, Change]]:
    """Yield the changes in lines with their places; a damaged line is left out."""
    for place, line in enumerate(lines):
        try:
            yield place, _CHANGE.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def _give_to_owner(directory: Path, file: BinaryIO, *, is_new: bool) -> None:
    """Give what root has made to the owner of the directory in which it is."""
    if is_new:
        around = directory.parent.stat()
        os.chown(directory, around.st_uid, around.st_gid)
    owner = directory.stat()
    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
