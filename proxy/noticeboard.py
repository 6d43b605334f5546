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
import time
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()


def directory_for(state_dir: Path, config: Path | None) -> Path:
    """Where the workers that go by one settings file meet, over restarts too."""
    name = str(config.resolve()) if config else ""
    return state_dir / hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


class Noticeboard:
    """One worker's view of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._me = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._is_usable = True

    def pin(self, topic: str, note: bytes) -> None:
        """Replace this worker's note on a topic."""
        self.put(f"{topic}/{self._me}", note)

    def others(self, topic: str) -> list[tuple[bytes, float]]:
        """The other workers' notes on a topic, those of ended ones too, and when they wrote."""
        return [(note, written) for name, note, written in self.all(topic) if name != self._me]

    def all(self, topic: str) -> list[tuple[str, bytes, float]]:
        """All notes on a topic: name, text, and when it was written."""
        found: list[tuple[str, bytes, float]] = []
        try:
            found.extend(
                (path.name, path.read_bytes(), path.stat().st_mtime)
                for path in sorted((self._directory / topic).iterdir())
                if not path.name.startswith(".")  # then it is being written
            )
        except FileNotFoundError:
            pass  # nobody wrote one, or it was taken down just now
        except OSError as exc:
            self._complain(exc)
        return found

    def put(self, name: str, note: bytes) -> bool:
        """Write a note that belongs to nobody, `TOPIC/NAME`; False where that is not possible."""
        path = self._directory / name
        beside = path.with_name(f".{path.name}.{self._me}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(note)
            beside.replace(path)
        except OSError as exc:
            self._complain(exc)
            return False
        self._is_usable = True
        return True

    def take_down(self, name: str) -> bool:
        """Remove a note, `TOPIC/NAME`; whether there was one."""
        try:
            (self._directory / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def sweep(self, topic: str, *, older_than: float) -> None:
        """Remove what workers that are gone left behind, if it is older than that, in seconds."""
        for name, _, written in self.all(topic):
            if time.time() - written > older_than:
                with suppress(OSError):  # somebody else's; it is only in the way
                    self.take_down(f"{topic}/{name}")

    def _complain(self, problem: OSError) -> None:
        if self._is_usable:
            log.error("state_not_shared", directory=str(self._directory), reason=problem.strerror)
        self._is_usable = False
