"""
A history of the settings that were followed, in a file of JSON lines that only its owner can read.

    {"at": "2026-11-29T10:00:00.000+00:00", "version": "91b2...", "changes": ["share of ..."]}

Every worker reads each version of the settings file, and the first one to do so writes the line.
Above `MAX_BYTES` the older half is dropped.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

import msgspec

from proxy.late_log import log
from proxy.private_files import make_directory, open_file
from proxy.timestamps import to_milliseconds
from proxy.workers.shared_state import directory_for

MAX_BYTES: Final = 256 * 1024
_NAME: Final = "history.jsonl"


class Change(msgspec.Struct, frozen=True):
    """A version of the settings: when it was followed, and what it has changed."""

    at: str
    version: str
    changes: tuple[str, ...] = ()


_CHANGE: Final = msgspec.json.Decoder(Change)


@dataclass(frozen=True, slots=True)
class SettingsHistory:
    """The history of one settings file on this machine."""

    directory: Path
    max_bytes: int = MAX_BYTES

    def add(self, version: str, changes: Iterable[str]) -> None:
        """Write down a version, unless it was the last one to be written down."""
        change = Change(to_milliseconds(time.time()), version, tuple(changes))
        try:
            make_directory(self.directory)
            with os.fdopen(open_file(self.directory / _NAME, os.O_RDWR), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                lines = file.read().splitlines(keepends=True)
                last = next(reversed([*_changes(lines)]), None)
                if last is not None and last.version == version:
                    return
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
        except OSError as exc:
            log.warning("history_not_kept", directory=str(self.directory), reason=exc.strerror)

    def read(self) -> list[Change]:
        """Return what was written down, oldest first; raises `OSError`."""
        try:
            lines = (self.directory / _NAME).read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return list(_changes(lines))


def history_of(state_dir: Path, config: Path) -> SettingsHistory:
    """Return the history of a settings file, which is kept where its workers meet."""
    return SettingsHistory(directory_for(state_dir, config))


def _changes(lines: Iterable[bytes]) -> Iterator[Change]:
    """Yield the changes in lines; a damaged line is left out."""
    for line in lines:
        try:
            yield _CHANGE.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
