"""
Notes that machines share through their PostgreSQL, by topic and name.

How old a note is, the database's clock says, because those of machines differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Connection, cast, delete, func, select

from proxy.traffic.store.schema import shared_notes

_NOW_MS: Final = cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
_COLUMNS: Final = shared_notes.c


class SharedNote(NamedTuple):
    """The text of a note, and when it was written: milliseconds of the database's clock."""

    note: bytes
    written_ms: int


@dataclass(frozen=True, slots=True)
class SharedNotes:
    """The notes in a PostgreSQL, within one transaction."""

    connection: Connection

    def put(self, topic: str, notes: Mapping[str, bytes]) -> None:
        """Write notes on a topic, or replace those of the same names."""
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - most stores are files

        insertion = postgresql.insert(shared_notes).values(written_ms=_NOW_MS)
        insertion = insertion.on_conflict_do_update(
            index_elements=shared_notes.primary_key,
            set_={name: insertion.excluded[name] for name in ("note", "written_ms")},
        )
        # In order, so that no two machines wait for each other.
        rows = [{"topic": topic, "name": name, "note": notes[name]} for name in sorted(notes)]
        if rows:
            self.connection.execute(insertion, rows)

    def on(self, topic: str, seconds: float | None = None) -> dict[str, SharedNote]:
        """Return the notes on a topic by name: all of them, or those of the last `seconds`."""
        query = select(_COLUMNS.name, _COLUMNS.note, _COLUMNS.written_ms)
        query = query.where(_COLUMNS.topic == topic)
        if seconds is not None:
            query = query.where(_COLUMNS.written_ms > _NOW_MS - int(seconds * 1000))
        rows = self.connection.execute(query)
        return {name: SharedNote(bytes(note), written_ms) for name, note, written_ms in rows}

    def remove(self, topic: str, names: Iterable[str]) -> None:
        """Remove notes on a topic."""
        is_named = _COLUMNS.name.in_(sorted(names))
        self.connection.execute(delete(shared_notes).where(_COLUMNS.topic == topic, is_named))

    def remove_old(self, topic: str, seconds: float) -> None:
        """Remove the notes on a topic that nobody has replaced for so long."""
        is_old = _COLUMNS.written_ms <= _NOW_MS - int(seconds * 1000)
        self.connection.execute(delete(shared_notes).where(_COLUMNS.topic == topic, is_old))
