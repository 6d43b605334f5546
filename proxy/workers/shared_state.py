"""
Shared state: a directory of notes through which the workers of one machine exchange state.

Notes are replaced atomically, so a reader never sees half of one. If the directory cannot be
used, the workers go on without each other's state; that is logged once.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from proxy.late_log import log
from proxy.private_files import make_directory, open_file, replace_file, rewrite_file

TALLIES: Final = "tallies"
"""Topic of what the workers' guards have counted lately; each worker has a note."""
TRIPS: Final = "tripped"
"""Topic of tripped guards; each has a note named after its rule, whoever wrote it."""
BUDGETS: Final = "budget"
"""Topic of the tokens that shadows took; each worker has a note, also if it has ended."""
LESSONS: Final = "lessons"
"""Topic of what refusals have taught; each worker has a note, also if it has ended."""

Note: TypeAlias = tuple[str, bytes, float]
"""Name, text, and time of writing in seconds since the epoch."""


def directory_for(state_dir: Path, config: Path | None) -> Path:
    """Return the directory for all workers with this settings file, stable over restarts."""
    # Not resolved: Kubernetes mounts each version of a file behind the same symbolic link.
    name = os.path.abspath(config) if config else ""
    return state_dir / hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


class SharedState:
    """Reads and writes notes for one worker."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._me = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._is_usable = True
        self._locks: dict[str, int] = {}
        """Descriptors of the files that this worker has locked or tried to lock, by name."""

    def publish(self, topic: str, note: bytes) -> None:
        """Write or replace this worker's own note on a topic."""
        self.write(f"{topic}/{self._me}", note)

    def from_peers(self, topic: str, *, within: float = math.inf) -> list[bytes]:
        """Return notes of the other workers, even ended ones, written `within` so many seconds."""
        now = time.time()
        return [
            note
            for name, note, written in self.read(topic)
            if name != self._me and abs(now - written) < within  # a clock may be set back or forth
        ]

    def read(self, topic: str) -> list[Note]:
        """Return all notes on a topic; an empty list if they cannot be read."""
        return self.try_read(topic) or []

    def try_read(self, topic: str) -> list[Note] | None:
        """Return all notes on a topic; None if they cannot be read, [] if there are none."""
        try:
            paths = sorted((self._directory / topic).iterdir())
            # A name that starts with a dot is a file that is still being written.
            notes = [_note(path) for path in paths if not path.name.startswith(".")]
        except FileNotFoundError:
            return []  # no note was written yet
        except OSError as exc:
            self._log_error(exc)
            return None
        return [note for note in notes if note is not None]

    def write(self, name: str, note: bytes) -> bool:
        """Write a note `TOPIC/NAME` shared by all workers; return False if that fails."""
        path = self._directory / name
        try:
            make_directory(path.parent)
            replace_file(path, note)
        except OSError as exc:
            self._log_error(exc)
            return False
        self._is_usable = True
        return True

    def rewrite(self, name: str, note: bytes) -> bool:
        """
        Give the note `TOPIC/NAME` another text; return False if there is none, or that fails.

        Unlike `write`, this never brings back a note that somebody removes at the same moment.
        """
        try:
            rewrite_file(self._directory / name, note)
        except FileNotFoundError:
            return False
        except OSError as exc:
            self._log_error(exc)
            return False
        return True

    def remove(self, name: str) -> bool:
        """Remove the note `TOPIC/NAME`; return False if there was none."""
        try:
            (self._directory / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def claim(self, name: str) -> bool:
        """
        Return True if this worker holds the lock NAME or gets it now, until it ends.

        Where locks cannot be used, every worker holds it: they go on without each other.
        """
        try:
            if name not in self._locks:
                make_directory(self._directory)
                self._locks[name] = open_file(self._directory / name, os.O_RDWR)
            fcntl.flock(self._locks[name], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as exc:
            self._log_error(exc)
        return True

    def release(self, name: str) -> None:
        """Let another worker claim the lock NAME."""
        if (lock := self._locks.pop(name, None)) is not None:
            os.close(lock)

    def expire(self, topic: str, *, older_than: float) -> None:
        """Remove notes on a topic older than `older_than` seconds, left by ended workers."""
        for name, _, written in self.read(topic):
            if abs(time.time() - written) > older_than:  # a clock may be set back or forth
                with suppress(OSError):  # another user's note, which does no harm
                    self.remove(f"{topic}/{name}")

    @property
    def is_usable(self) -> bool:
        """False if the last attempt to read or write a note failed."""
        return self._is_usable

    def _log_error(self, problem: OSError) -> None:
        if self._is_usable:
            log.error("state_not_shared", directory=str(self._directory), reason=problem.strerror)
        self._is_usable = False


def _note(path: Path) -> Note | None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block for ever
            return None
        with suppress(PermissionError):  # its existence alone can matter, as that of a trip does
            return path.name, path.read_bytes(), status.st_mtime
        return path.name, b"", status.st_mtime
    except FileNotFoundError:
        return None  # it was removed meanwhile
