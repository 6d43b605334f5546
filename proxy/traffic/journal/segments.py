"""
Journal files: append-only files of frames, written by one worker and read by the loader.

    magic (4) | length (4) | CRC-32 of the payload (4) | payload

A frame is written with one `write` before the client has its whole answer, so a worker that is
killed loses nothing. Frames are not synced, so a power cut may lose the last moments. The
writer holds a lock on its file while it lives; a file without a lock is complete. Contents
have files of their own, so that they can be deleted before any record is.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import struct
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proxy.private_files import make_directory, open_file

RECORDS: Final = ".journal"
CONTENTS: Final = ".content"

_MAGIC: Final = b"\xf5HJ1"
_HEAD: Final = struct.Struct(">4sII")
FILE_BYTES: Final = 8 * 1024 * 1024
"""A file of this size is ended, so that it can be loaded and deleted."""


def journal_directory(state_dir: Path) -> Path:
    """Return the directory in which all workers of a machine write their journals."""
    return state_dir / "traffic" / "journal"


class SegmentWriter:
    """Writes the journal files of one worker for one kind of entries."""

    def __init__(self, directory: Path, kind: str, *, file_bytes: int = FILE_BYTES) -> None:
        self._directory = directory
        self._kind = kind
        self._file_bytes = file_bytes
        self._me = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._number = 0
        self._file: _File | None = None

    @property
    def begins_a_file(self) -> bool:
        """True if the next frame will be the first of a file."""
        return self._file is None

    def append(self, payload: bytes) -> None:
        """Write one frame; if this raises `OSError`, nothing of it is in the file."""
        frame = _HEAD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload
        if self._file is None:
            self._file = self._begin(frame)
        elif self._file.is_in_place:
            self._file.write(frame)
        else:
            before = self._file  # moved or deleted: write its frames again into a new file
            self._file = self._begin(os.pread(before.handle, before.size, 0) + frame)
            os.close(before.handle)
        if self._file.size >= self._file_bytes:
            self.close()

    def end_old(self, seconds: float) -> None:
        """End the present file if it is older than `seconds`, so that the loader can delete it."""
        if self._file is not None and time.monotonic() - self._file.started >= seconds:
            self.close()

    def close(self) -> None:
        """End the present file; the next frame starts a new one."""
        if self._file is not None:
            os.close(self._file.handle)
            self._file = None

    def _begin(self, frames: bytes) -> _File:
        """Create a file that starts with these frames."""
        make_directory(self._directory)
        self._number += 1
        path = self._directory / f"{self._me}-{self._number:06}{self._kind}"
        unlocked = path.with_suffix(
            ".new"
        )  # a file under its final name without a lock counts as complete
        handle = open_file(unlocked, os.O_RDWR | os.O_APPEND)
        file = _File(path, handle, os.fstat(handle).st_ino)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(frames)
            unlocked.rename(path)
        except OSError:
            os.close(handle)
            unlocked.unlink(missing_ok=True)
            raise
        return file


@dataclass(slots=True)
class _File:
    """An open journal file, which may have been moved or deleted by name."""

    path: Path
    handle: int
    number: int
    """Number of its inode."""
    size: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def is_in_place(self) -> bool:
        """True if the file is still at its path, where the loader looks."""
        try:
            return os.stat(self.path).st_ino == self.number
        except OSError:
            return False

    def write(self, frames: bytes) -> None:
        """Append all frames, or nothing if this raises `OSError`."""
        written = os.write(self.handle, frames)
        if written < len(frames):  # the disk is full: remove the part that was written
            os.ftruncate(self.handle, self.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written


@dataclass(frozen=True, slots=True)
class Piece:
    """Frames of a part of a file, and the offset of the next one."""

    payloads: tuple[bytes, ...]
    end: int
    damaged: int
    """Number of bytes that belong to no intact frame and were skipped."""


def read_frames(data: bytes, *, is_complete: bool) -> Piece:
    """
    Return the frames in a part of a file.

    Damaged bytes are skipped up to the next intact frame. An incomplete frame at the end is
    left for the next call, unless the file is complete.
    """
    payloads: list[bytes] = []
    position = damaged = 0
    while position < len(data):
        payload = _frame_at(data, position)
        if payload is not None:
            payloads.append(payload)
            position += _HEAD.size + len(payload)
            continue
        following = _next_whole(data, position + 1)
        if following is None:
            if not is_complete:
                break
            following = len(data)
        damaged += following - position
        position = following
    return Piece(tuple(payloads), position, damaged)


def _frame_at(data: bytes, position: int) -> bytes | None:
    if len(data) - position < _HEAD.size:
        return None
    magic, length, crc = _HEAD.unpack_from(data, position)
    start = position + _HEAD.size
    payload = data[start : start + length]
    is_whole = magic == _MAGIC and len(payload) == length and zlib.crc32(payload) == crc
    return payload if is_whole else None


def _next_whole(data: bytes, position: int) -> int | None:
    while (position := data.find(_MAGIC, position)) != -1:
        if _frame_at(data, position) is not None:
            return position
        position += 1
    return None


def files_of(directory: Path, kind: str) -> list[Path]:
    """Return all files of a kind, oldest first, except those that vanish meanwhile."""
    found: list[tuple[int, Path]] = []
    for path in directory.glob(f"*{kind}"):
        with suppress(FileNotFoundError):
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]


def is_complete(path: Path) -> bool:
    """Return True if the writer of a file has ended it; raises `FileNotFoundError`."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def waiting_bytes(directory: Path) -> int:
    """Return the size of all journal files in a directory, in bytes."""
    size = 0
    for path in directory.glob("*"):
        with suppress(OSError):
            size += path.stat().st_size
    return size
