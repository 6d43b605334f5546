"""
The evidence of one worker, and how it stands with what is on its way into the store.

A process of its own loads the journals; it says how it is doing in a note.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from proxy.capture import ContentWriter
from proxy.noticeboard import Noticeboard
from proxy.traffic import Keeper, waiting_bytes

_TOPIC: Final = "loader"
_NAME: Final = "status"


class LoaderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the loader is doing; the numbers are since the directory was begun."""

    at: str = ""
    """When it looked last: ISO 8601, UTC."""
    problem: str | None = None
    """Why nothing can be loaded."""
    entries: int = 0
    damaged_bytes: int = 0
    unreadable: int = 0


_DECODER: Final = msgspec.json.Decoder(LoaderStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceState:
    """What an operator wants to know."""

    problem: str | None
    """Why this worker cannot write its journal."""
    waiting_bytes: int
    """In the journals of all workers, not yet in the store."""
    loader: LoaderStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where records and contents go."""

    directory: Path
    """Of the journals."""
    keeper: Keeper
    contents: ContentWriter

    @property
    def state(self) -> EvidenceState:
        """How it stands."""
        return EvidenceState(
            problem=self.keeper.problem,
            waiting_bytes=waiting_bytes(self.directory),
            loader=read_status(board_of(self.directory)),
        )

    def close(self) -> None:
        """Write what is still to be written."""
        self.contents.close()
        self.keeper.close()


def board_of(directory: Path) -> Noticeboard:
    """Where the loader of these journals leaves its note."""
    return Noticeboard(directory.parent)


def read_status(board: Noticeboard) -> LoaderStatus | None:
    """What the loader said last, if it has said anything that can be read."""
    for name, note, _ in board.all(_TOPIC):
        with suppress(msgspec.MsgspecError):
            if name == _NAME:
                return _DECODER.decode(note)
    return None


def write_status(board: Noticeboard, status: LoaderStatus) -> None:
    """Say how it is going."""
    board.put(f"{_TOPIC}/{_NAME}", msgspec.json.encode(status))
