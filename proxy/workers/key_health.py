"""
Which of the keys that are held here upstream refuses: known to all workers, until it takes one.

What a worker hears is a note on the board, under the setting that the key is
given in. It outlives restarts, since those mend no key, and is taken down by
whoever is the first to be answered with that key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
import structlog

from proxy.security.keyring import Destination, Keyring, refuses_key
from proxy.workers.shared_state import Note, SharedState

log = structlog.get_logger()

_TOPIC: Final = "refused_keys"
_POLL_SECONDS: Final = 0.5
_SUCCESS: Final = range(200, 300)


class Refusal(msgspec.Struct, frozen=True):
    """What upstream said about a key of ours, and since when."""

    key: str | None
    """Its digest; None: there is none, and upstream wants one."""
    url: str
    status: int
    since: str


_REFUSAL: Final = msgspec.json.Decoder(Refusal)


class KeyHealthObserver(Protocol):
    """Who counts refusals."""

    def key_refused(self, setting: str) -> None:
        """Upstream refused the key that is given in this setting."""


class KeyHealth:
    """The keys of ours, as one worker knows them."""

    def __init__(self, shared_state: SharedState, observer: KeyHealthObserver) -> None:
        self._shared_state = shared_state
        self._observer = observer
        self._heard: dict[str, Refusal] = {}
        """What this worker was told itself, by setting."""
        self._unwritten: set[str] = set()
        """Settings of which the board could not be told."""
        self._written: dict[str, Refusal] = {}
        """What was on the board at the last look."""

    def observe(self, to: Destination, status: int) -> None:
        """Take note of an answer to a request that was sent with a key of ours."""
        assert to.setting is not None
        if refuses_key(status):
            self._observer.key_refused(to.setting)
            self._refused(to.setting, to, status)
        elif status in _SUCCESS and (to.setting in self._heard or to.setting in self._written):
            self._accepted(to.setting)

    def problems(self, keyring: Keyring) -> dict[str, Refusal]:
        """Refusals of the keys that are held now, by setting."""
        held = {key.setting: key.digest for key in keyring.held}
        return {
            setting: refusal
            for setting, refusal in sorted((self._written | self._heard).items())
            if refusal.key == held.get(setting) and refusal.url in keyring.urls
        }

    async def keep_up(self) -> None:
        """Exchange notes with the other workers, for as long as the process serves."""
        while True:
            self.compare_notes()
            await asyncio.sleep(_POLL_SECONDS)

    def compare_notes(self) -> None:
        """Read the board; what somebody took down was answered."""
        for setting in tuple(self._unwritten):
            self._write(setting)
        if (notes := self._shared_state.try_read(_TOPIC)) is None:
            return  # who cannot see what was answered goes by what was refused
        self._written = dict(_refusals(notes))
        for setting in self._heard.keys() - self._written.keys() - self._unwritten:
            del self._heard[setting]

    def _refused(self, setting: str, to: Destination, status: int) -> None:
        before = self._heard.get(setting)
        if before is not None and (before.key, before.url) == (to.digest, to.url):
            return
        since = datetime.now(UTC).isoformat(timespec="seconds")
        self._heard[setting] = Refusal(to.digest, to.url, status, since)
        self._write(setting)
        log.error("key_refused", setting=setting, key=to.digest, url=to.url, status=status)

    def _accepted(self, setting: str) -> None:
        self._heard.pop(setting, None)
        self._unwritten.discard(setting)
        self._written.pop(setting, None)
        with suppress(OSError):  # of a board that cannot be written
            self._shared_state.remove(f"{_TOPIC}/{setting}")
        log.info("key_accepted", setting=setting)

    def _write(self, setting: str) -> None:
        note = msgspec.json.encode(self._heard[setting])
        is_written = self._shared_state.write(f"{_TOPIC}/{setting}", note)
        (self._unwritten.discard if is_written else self._unwritten.add)(setting)


def _refusals(notes: Iterable[Note]) -> Iterable[tuple[str, Refusal]]:
    for setting, note, _ in notes:
        with suppress(ValueError):  # another version's, or half of one
            yield setting, _REFUSAL.decode(note)
