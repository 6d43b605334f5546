"""
A directory on which the workers of one Holdover pin notes for each other.

Each worker writes its own notes and reads the others'. A note is replaced
whole, so nobody reads half of one. A directory that cannot be used makes the
workers strangers to each other and stops nothing; that is logged, once.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import structlog

from proxy.private_files import make_directory, replace_file

log = structlog.get_logger()

Note: TypeAlias = tuple[str, bytes, float]
"""Its name, its text, and when it was written."""


def directory_for(state_dir: Path, config: Path | None) -> Path:
    """Where the workers that go by one settings file meet, over restarts too."""
    # Not resolved: Kubernetes and others put each version behind the same link.
    name = os.path.abspath(config) if config else ""
    return state_dir / hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


class SharedState:
    """One worker's view of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._me = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._is_usable = True

    def publish(self, topic: str, note: bytes) -> None:
        """Replace this worker's note on a topic."""
        self.write(f"{topic}/{self._me}", note)

    def from_peers(self, topic: str) -> list[tuple[bytes, float]]:
        """The other workers' notes on a topic, those of ended ones too, and when they wrote."""
        return [(note, written) for name, note, written in self.read(topic) if name != self._me]

    def read(self, topic: str) -> list[Note]:
        """All notes on a topic; none where they cannot be read."""
        return self.try_read(topic) or []

    def try_read(self, topic: str) -> list[Note] | None:
        """The same; None where they cannot be read, which is not to say that there are none."""
        try:
            paths = sorted((self._directory / topic).iterdir())
            # What begins with a dot is being written.
            notes = [_note(path) for path in paths if not path.name.startswith(".")]
        except FileNotFoundError:
            return []  # nobody wrote one
        except OSError as exc:
            self._log_error(exc)
            return None
        return [note for note in notes if note is not None]

    def write(self, name: str, note: bytes) -> bool:
        """Write a note that belongs to nobody, `TOPIC/NAME`; False where that is not possible."""
        path = self._directory / name
        try:
            make_directory(path.parent)
            replace_file(path, note)
        except OSError as exc:
            self._log_error(exc)
            return False
        self._is_usable = True
        return True

    def remove(self, name: str) -> bool:
        """Remove a note, `TOPIC/NAME`; whether there was one."""
        try:
            (self._directory / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def expire(self, topic: str, *, older_than: float) -> None:
        """Remove what workers that are gone left behind, if it is older than that, in seconds."""
        for name, _, written in self.read(topic):
            if abs(time.time() - written) > older_than:  # clocks jump both ways
                with suppress(OSError):  # somebody else's; it is only in the way
                    self.remove(f"{topic}/{name}")

    @property
    def is_usable(self) -> bool:
        """Whether the last attempt to read or write it went well."""
        return self._is_usable

    def _log_error(self, problem: OSError) -> None:
        if self._is_usable:
            log.error("state_not_shared", directory=str(self._directory), reason=problem.strerror)
        self._is_usable = False


def _note(path: Path) -> Note | None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would take for ever
            return None
        with suppress(PermissionError):  # that it is there says something already
            return path.name, path.read_bytes(), status.st_mtime
        return path.name, b"", status.st_mtime
    except FileNotFoundError:
        return None  # it was taken down just now
