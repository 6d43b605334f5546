"""
Status of the recording: this worker's journal, and the loader that empties all journals.

The loader is a process of its own; it publishes its status as a note in the shared state.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from proxy.traffic.journal.segments import waiting_bytes
from proxy.workers.shared_state import SharedState

if TYPE_CHECKING:
    from proxy.traffic.journal.writer import JournalWriter
    from proxy.traffic.redact_bodies import BodyRecorder

_TOPIC: Final = "loader"
_NAME: Final = "status"
_SILENCE_SECONDS: Final = 30
"""A loader that has not reported for this long is stuck; it reports twice a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderConfig:
    """Configuration of the loader: the journals, the store, and how long rows are kept."""

    directory: Path
    """Directory of the journals."""
    url: str = field(repr=False)
    days: int
    max_bytes: int
    content_days: int = 0
    rollup_days: int = 0
    text_index: bool = False
    """Whether texts are indexed."""
    notes: Path | None = None
    """Directory of the workers' shared state, if other machines are to know what is in it."""


class LoaderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of the loader; its counters run since the state directory was created."""

    at: str = ""
    """Time of this report: ISO 8601, UTC."""
    problem: str | None = None
    """Reason why nothing can be loaded; None if all is well."""
    read_bytes: int = 0
    """Bytes of the present journal files that are already in the store."""
    complete_until: str = ""
    """Everything journalled before this time is in the store: ISO 8601, UTC."""
    look_began: float = 0.0
    """Value of `time.monotonic` before which everything journalled is in the store: all processes
    of a machine share that clock, and nobody sets it."""
    rows: int = 0
    """Number of rows added to the store."""
    damaged_bytes: int = 0
    unreadable: int = 0
    lost: int = 0
    """Number of exchanges whose rollups and records somebody has deleted."""


_DECODER: Final = msgspec.json.Decoder(LoaderStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStatus:
    """Status of the recording, for `/readyz` and the metrics."""

    problem: str | None
    """Reason why this worker cannot write its journal; None if it can."""
    waiting_bytes: int
    """Bytes in the journals of all workers that are not yet in the store."""
    loader: LoaderStatus | None
    silent_seconds: float
    """Seconds since the loader's last report or this worker's start, whichever is later."""
    behind_seconds: float
    """Seconds since everything journalled was in the store, or since this worker's start."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The recording of one worker: its journal and its recorder of bodies."""

    directory: Path
    """Directory of the journals."""
    journal_writer: JournalWriter
    contents: BodyRecorder
    began: float = field(default_factory=time.monotonic)

    @property
    def state(self) -> RecordingStatus:
        """The present status, read from the journals and the loader's note."""
        status, written = _noted(self._loader_state) or (None, -math.inf)
        complete = status.complete_until if status else ""
        stored = datetime.fromisoformat(complete).timestamp() if complete else -math.inf
        # The wall clock may have been set back or forth since the note was written.
        running = time.monotonic() - self.began
        silent = min(abs(time.time() - written), running)
        behind = min(abs(time.time() - stored), running)
        if silent > _SILENCE_SECONDS:
            # The loader may be dead, wait for a store that hangs, or be unable to write its note.
            status = status or LoaderStatus()
            problem = f"the loader has not reported since {status.at or 'the start'}"
            status = msgspec.structs.replace(status, problem=problem)
        read = status.read_bytes if status else 0
        return RecordingStatus(
            problem=self.journal_writer.problem,
            waiting_bytes=max(waiting_bytes(self.directory) - read, 0),
            loader=status,
            silent_seconds=round(silent, 1),
            behind_seconds=round(behind, 1),
        )

    @cached_property
    def _loader_state(self) -> SharedState:
        # Kept, because it logs once that its notes cannot be read, and is asked at every probe.
        return loader_state_in(self.directory)

    def close(self) -> None:
        """Write everything that is still in memory, then close the journal."""
        self.contents.close()
        self.journal_writer.close()


def loader_state_in(directory: Path) -> SharedState:
    """Return the shared state in which the loader of these journals leaves its note."""
    return SharedState(directory.parent)


def read_status(shared_state: SharedState) -> LoaderStatus | None:
    """Return the loader's last status; None if there is no readable note."""
    noted = _noted(shared_state)
    return noted and noted[0]


def write_status(shared_state: SharedState, status: LoaderStatus) -> None:
    """Publish the loader's status."""
    shared_state.write(f"{_TOPIC}/{_NAME}", msgspec.json.encode(status))


def _noted(shared_state: SharedState) -> tuple[LoaderStatus, float] | None:
    """Return the loader's last status and the time of its note."""
    for name, note, written in shared_state.read(_TOPIC):
        with suppress(msgspec.MsgspecError):
            if name == _NAME:
                return _DECODER.decode(note), written
    return None
