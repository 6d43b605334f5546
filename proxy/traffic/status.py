"""
The evidence of one worker, and how it stands with what is on its way into the store.

A process of its own loads the journals; it says how it is doing in a note.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from proxy.traffic.journal.writer import JournalWriter, waiting_bytes
from proxy.traffic.redact_bodies import BodyRecorder
from proxy.workers.shared_state import SharedState

_TOPIC: Final = "loader"
_NAME: Final = "status"
_SILENCE_SECONDS: Final = 30
"""From a loader that looks twice a second, and after every few megabytes; then it is not well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderConfig:
    """What is loaded where, and for how long it is kept."""

    directory: Path
    """Of the journals."""
    url: str = field(repr=False)
    days: int
    max_bytes: int


class LoaderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the loader is doing; the numbers are since the directory was begun."""

    at: str = ""
    """When it looked last: ISO 8601, UTC."""
    problem: str | None = None
    """Why nothing can be loaded."""
    read_bytes: int = 0
    """Of the journals that are there: what is in the store already."""
    complete_until: str = ""
    """All that was in the journals at this moment is in the store: ISO 8601, UTC."""
    rows: int = 0
    """Added to the store."""
    damaged_bytes: int = 0
    unreadable: int = 0


_DECODER: Final = msgspec.json.Decoder(LoaderStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStatus:
    """What an operator wants to know."""

    problem: str | None
    """Why this worker cannot write its journal."""
    waiting_bytes: int
    """In the journals of all workers, not yet in the store."""
    loader: LoaderStatus | None
    silent_seconds: float
    """Since the loader said something, or since this worker began, if that was later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Where records and contents go."""

    directory: Path
    """Of the journals."""
    journal_writer: JournalWriter
    contents: BodyRecorder
    began: float = field(default_factory=time.monotonic)

    @property
    def state(self) -> RecordingStatus:
        """How it stands."""
        status, written = _said(loader_state_in(self.directory)) or (None, -math.inf)
        # Clocks jump both ways.
        silent = min(abs(time.time() - written), time.monotonic() - self.began)
        if silent > _SILENCE_SECONDS:
            status = _silent(status or LoaderStatus())
        read = status.read_bytes if status else 0
        return RecordingStatus(
            problem=self.journal_writer.problem,
            waiting_bytes=max(waiting_bytes(self.directory) - read, 0),
            loader=status,
            silent_seconds=round(silent, 1),
        )

    def close(self) -> None:
        """Write what is still to be written."""
        self.contents.close()
        self.journal_writer.close()


def loader_state_in(directory: Path) -> SharedState:
    """Where the loader of these journals leaves its note."""
    return SharedState(directory.parent)


def read_status(shared_state: SharedState) -> LoaderStatus | None:
    """What the loader said last, if it has said anything that can be read."""
    said = _said(shared_state)
    return said and said[0]


def write_status(shared_state: SharedState, status: LoaderStatus) -> None:
    """Say how it is going."""
    shared_state.write(f"{_TOPIC}/{_NAME}", msgspec.json.encode(status))


def _said(shared_state: SharedState) -> tuple[LoaderStatus, float] | None:
    """The same, and when."""
    for name, note, written in shared_state.read(_TOPIC):
        with suppress(msgspec.MsgspecError):
            if name == _NAME:
                return _DECODER.decode(note), written
    return None


def _silent(status: LoaderStatus) -> LoaderStatus:
    """It may be dead, or wait for a store that hangs, or be unable to write its note."""
    problem = f"the loader has not reported since {status.at or 'the start'}"
    return msgspec.structs.replace(status, problem=problem)
