"""
Machines that record into one PostgreSQL share notes of their workers through it.

Every second the loader's process copies what the workers of its machine tell each other into a
table, and what those of other machines say into the shared state, where workers read it like
notes of their own peers. So workers know nothing of other machines, and no exchange waits for a
database. While the database is away, each machine goes on with what it knows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from proxy.security.redaction import describe_crash
from proxy.traffic.status import LoaderConfig
from proxy.traffic.store.database.url import file_of
from proxy.traffic.store.errors import StoreError
from proxy.traffic.store.lazy_open import open_store
from proxy.traffic.store.shared_notes import SharedNote, SharedNotes
from proxy.traffic.store.store import Store
from proxy.workers.shared_state import BUDGETS, LESSONS, TALLIES, TRIPS, SharedState

log = structlog.get_logger()

_Changes: TypeAlias = Mapping[str, bytes | None]
"""New texts of notes by name; None if a note was removed."""

_SECONDS: Final = 1.0
_DAY: Final = 86_400
_LIFETIMES: Final = {TALLIES: 5, BUDGETS: 2 * _DAY, LESSONS: _DAY}
"""Topics on which each worker has a note of its own, and the seconds for which one is believed."""
_COPY: Final = "@"
"""Begins the names of notes that are copies of another machine's."""
_SETTLED: Final = "tripped_everywhere"
"""Topic of the trips that this machine and the database had when both were last compared."""
_CLEAN_SECONDS: Final = 60
_END_SECONDS: Final = 2
"""Time for sharing to end; a database that does not answer may take longer, but nobody waits."""


@contextmanager
def sharing_notes(config: LoaderConfig) -> Iterator[None]:
    """Share notes with other machines while the block runs, if the store is a PostgreSQL."""
    if config.notes is None or file_of(config.url) is not None:
        yield
        return
    sharing = NoteSharing(SharedState(config.notes), config.url)
    thread = threading.Thread(target=sharing.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        sharing.is_over.set()
        thread.join(_END_SECONDS)


@dataclass(slots=True)
class NoteSharing:
    """Shares the notes of one machine's workers with other machines."""

    shared_state: SharedState
    url: str = field(repr=False)
    is_over: threading.Event = field(default_factory=threading.Event)
    _store: Store | None = None
    _problem: str | None = None
    _published: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    """When each note that the database has was written, by topic and name."""
    _copied: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """When the original of each copy was written, by the database's clock."""
    _cleaned: float = float("-inf")

    def run(self) -> None:
        """Share until told that it is over."""
        while True:
            self.share()
            if self.is_over.wait(_SECONDS):
                break
        self._close()

    def share(self) -> None:
        """Share once; say when that begins to fail, and when it works again."""
        problem = None
        try:
            if self._store is None:
                self._store = open_store(self.url)
            self._share(self._store)
        except StoreError as exc:
            problem = str(exc)
        except Exception as exc:  # noqa: BLE001 - no crash may end the sharing
            problem = type(exc).__name__
            log.error("sharing_crashed", **describe_crash(exc))
        if problem is not None:
            self._close()
        if problem is not None and self._problem is None:
            log.error("machines_count_alone", problem=problem)
        elif problem is None and self._problem is not None:
            log.info("machines_count_together")
        self._problem = problem

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store = None
        self._published = {}

    def _share(self, store: Store) -> None:
        with store.writing() as connection:
            table = SharedNotes(connection)
            for topic, seconds in _LIFETIMES.items():
                self._publish(table, topic, seconds)
            others = {topic: table.on(topic, seconds) for topic, seconds in _LIFETIMES.items()}
            settled = self._settle_trips(table)
            if time.monotonic() - self._cleaned > _CLEAN_SECONDS:
                for topic, seconds in _LIFETIMES.items():
                    table.remove_old(topic, seconds)
                self._cleaned = time.monotonic()
        # Only now does the database have them for certain.
        if settled is not None:
            self._apply(_SETTLED, settled)
        for topic, notes in others.items():
            self._copy(topic, notes)

    def _publish(self, table: SharedNotes, topic: str, seconds: float) -> None:
        """Publish what the workers of this machine have written since the last time."""
        new: dict[str, bytes] = {}
        for name, note, written in self.shared_state.read(topic):
            is_alive = abs(time.time() - written) < seconds  # a clock may be set back or forth
            is_new = self._published.get((topic, name)) != written
            if is_alive and is_new and not name.startswith(_COPY):
                new[name] = note
                self._published[topic, name] = written
        table.put(topic, new)

    def _copy(self, topic: str, notes: Mapping[str, SharedNote]) -> None:
        """Copy what others say into the shared state, and remove copies of what is out of date."""
        names = {name for name, _, _ in self.shared_state.read(topic)}
        own = {name for name in names if not name.startswith(_COPY)}
        copies = {f"{_COPY}{name}": note for name, note in notes.items() if name not in own}
        # The time of a copy says when its original was last written.
        self._apply(
            topic,
            {
                name: copies[name].note if name in copies else None
                for name in (names - own) | copies.keys()
                if name not in names
                or name not in copies
                or self._copied.get((topic, name)) != copies[name].written_ms
            },
        )
        self._copied |= {(topic, name): note.written_ms for name, note in copies.items()}

    def _settle_trips(self, table: SharedNotes) -> _Changes | None:
        """
        Make the trips here and in the database the same; return how those settled have changed.

        A side that differs from what both had the last time has changed since: a guard has
        tripped there, or was re-armed.
        """
        found = self.shared_state.try_read(TRIPS)
        if found is None:
            return None
        here = {name: note for name, note, _ in found}
        before = {name: note for name, note, _ in self.shared_state.read(_SETTLED)}
        there = {name: each.note for name, each in table.on(TRIPS).items()}
        names = here.keys() | there.keys() | before.keys()
        changed_here = {name for name in names if here.get(name) != before.get(name)}
        table.put(TRIPS, {name: here[name] for name in changed_here & here.keys()})
        table.remove(TRIPS, changed_here - here.keys())
        after = {name: (here if name in changed_here else there).get(name) for name in names}
        differing = {name: note for name, note in after.items() if note != here.get(name)}
        for name in [name for name in differing if name in here and name in there]:
            # An operator may re-arm the guard at this moment, which must not be undone: the next
            # time its note is found to be missing here.
            self.shared_state.rewrite(f"{TRIPS}/{name}", there[name])
            del differing[name]
        self._apply(TRIPS, differing)
        return {name: note for name, note in after.items() if note != before.get(name)}

    def _apply(self, topic: str, changes: _Changes) -> None:
        """Write notes into the shared state, and remove those that are None."""
        for name, note in changes.items():
            if Path(name).name != name:
                continue  # no name of ours: it would lead out of the directory
            if note is not None:
                self.shared_state.write(f"{topic}/{name}", note)
                continue
            with suppress(OSError):  # the directory may be read-only
                self.shared_state.remove(f"{topic}/{name}")
