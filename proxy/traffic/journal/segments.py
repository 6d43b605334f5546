"""
An append-only file per worker: what an exchange came to, before its client knows.

    magic (4) | length (4) | CRC-32 of the payload (4) | payload

A frame is one `write`, so it is in the kernel's hands, whole, before the
client has its answer: a worker that is killed loses nothing. It is not
synced, so a machine that loses its power may lose its last moments. The
writer holds a lock on its file for as long as it lives; a file without a lock
is complete. Contents have files of their own, so that they can be let go of
before any record is.
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
"""A file that has grown to this is ended, so that it can be loaded and removed."""


def journal_directory(state_dir: Path) -> Path:
    """Where all workers of a machine write theirs."""
    return state_dir / "traffic" / "journal"


class SegmentWriter:
    """One worker's end of it, for one kind of entries."""

    def __init__(self, directory: Path, kind: str, *, file_bytes: int = FILE_BYTES) -> None:
        self._directory = directory
        self._kind = kind
        self._file_bytes = file_bytes
        self._me = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._number = 0
        self._file: _File | None = None

    @property
    def begins_a_file(self) -> bool:
        """Whether the next frame will be the first of a file."""
        return self._file is None

    def append(self, payload: bytes) -> None:
        """Write one frame; raises `OSError`, and then nothing of it is there."""
        frame = _HEAD.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload
        if self._file is None:
            self._file = self._begin(frame)
        elif self._file.is_in_place:
            self._file.write(frame)
        else:
            before = self._file
            self._file = self._begin(os.pread(before.handle, before.size, 0) + frame)
            os.close(before.handle)
        if self._file.size >= self._file_bytes:
            self.close()

    def end_old(self, seconds: float) -> None:
        """End the present file if it was begun so long ago, so that it can be removed."""
        if self._file is not None and time.monotonic() - self._file.begun >= seconds:
            self.close()

    def close(self) -> None:
        """End the present file; the next frame begins another."""
        if self._file is not None:
            os.close(self._file.handle)
            self._file = None

    def _begin(self, frames: bytes) -> _File:
        """Another file that begins with these."""
        make_directory(self._directory)
        self._number += 1
        path = self._directory / f"{self._me}-{self._number:06}{self._kind}"
        unlocked = path.with_suffix(".new")  # without a lock it would pass for a complete one
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
    """A file in our hands, whatever becomes of its name."""

    path: Path
    handle: int
    number: int
    """Of its inode."""
    size: int = 0
    begun: float = field(default_factory=time.monotonic)

    @property
    def is_in_place(self) -> bool:
        """Whether it is still where a loader looks, and not moved away or removed."""
        try:
            return os.stat(self.path).st_ino == self.number
        except OSError:
            return False

    def write(self, frames: bytes) -> None:
        """Append all of it, or, with an `OSError`, nothing."""
        written = os.write(self.handle, frames)
        if written < len(frames):  # the disk is full: take back what is there of it
            os.ftruncate(self.handle, self.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written


@dataclass(frozen=True, slots=True)
class Piece:
    """Some frames of a file, and where the next one would begin."""

    payloads: tuple[bytes, ...]
    end: int
    damaged: int
    """Bytes that are no frame, and were passed over."""


def read_frames(data: bytes, *, is_complete: bool) -> Piece:
    """
    The frames in some bytes of a file.

    Passes over what is broken to the next frame that is not. What may still be
    growing is left for later, unless the file is complete.
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
    """All files of a kind, oldest first; those that vanish meanwhile are not among them."""
    found: list[tuple[int, Path]] = []
    for path in directory.glob(f"*{kind}"):
        with suppress(FileNotFoundError):
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]


def is_complete(path: Path) -> bool:
    """Whether nobody writes to a file any more; raises `FileNotFoundError`."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
