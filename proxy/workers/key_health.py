"""
Keeps track of our own keys that an upstream refuses, across all workers.

A refusal is a note in the shared state, named after the setting of the key. It survives
restarts, which repair no key. The first worker that gets an answer with the key removes it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
import structlog

from proxy.security.keyring import Destination, Keyring, refuses_key
from proxy.workers.shared_state import SharedState

log = structlog.get_logger()

_TOPIC: Final = "refused_keys"
_POLL_SECONDS: Final = 0.5
_SUCCESS: Final = range(200, 300)


class Refusal(msgspec.Struct, frozen=True):
    """An upstream's refusal of one of our keys."""

    key: str | None
    """Digest of the key; None if no key is configured and the upstream asks for one."""
    url: str
    status: int
    since: str
    """Time of the first refusal: ISO 8601, UTC."""


_REFUSAL: Final = msgspec.json.Decoder(Refusal)


class KeyHealthObserver(Protocol):
    """Counts refusals."""

    def key_refused(self, setting: str) -> None:
        """Count a refusal of the key from this setting."""


class KeyHealth:
    """The refused keys, as known to one worker."""

    def __init__(self, shared_state: SharedState, observer: KeyHealthObserver) -> None:
        self._shared_state = shared_state
        self._observer = observer
        self._heard: dict[str, Refusal] = {}
        """Refusals that this worker observed itself, by setting."""
        self._unwritten: set[str] = set()
        """Settings whose refusal could not be written to the shared state yet."""
        self._written: dict[str, Refusal] = {}
        """Refusals in the shared state when it was last read, by setting."""

    def observe(self, to: Destination, status: int) -> None:
        """Record the upstream's status for a request that was sent with one of our keys."""
        setting = to.setting
        assert setting is not None
        if refuses_key(status):
            self._observer.key_refused(setting)
            before = self._heard.get(setting)
            if before is None or (before.key, before.url) != (to.digest, to.url):
                since = datetime.now(UTC).isoformat(timespec="seconds")
                self._heard[setting] = Refusal(to.digest, to.url, status, since)
                self._write(setting)
                log.error("key_refused", setting=setting, key=to.digest, url=to.url, status=status)
        elif status in _SUCCESS and (setting in self._heard or setting in self._written):
            self._heard.pop(setting, None)
            self._unwritten.discard(setting)
            self._written.pop(setting, None)
            with suppress(OSError):  # the directory may be read-only
                self._shared_state.remove(f"{_TOPIC}/{setting}")
            log.info("key_accepted", setting=setting)

    def problems(self, keyring: Keyring) -> dict[str, Refusal]:
        """Return the refusals of the keys that are configured now, by setting."""
        held = {key.setting: key.digest for key in keyring.held}
        return {
            setting: refusal
            for setting, refusal in sorted((self._written | self._heard).items())
            if refusal.key == held.get(setting) and refusal.url in keyring.urls
        }

    async def keep_up(self) -> None:
        """Call `compare_notes` twice a second until the task is cancelled."""
        while True:
            self.compare_notes()
            await asyncio.sleep(_POLL_SECONDS)

    def compare_notes(self) -> None:
        """Read the shared state; a note that another worker removed means an accepted key."""
        for setting in tuple(self._unwritten):
            self._write(setting)
        if (notes := self._shared_state.try_read(_TOPIC)) is None:
            return  # unreadable: keep the known refusals
        self._written = {}
        for setting, note, _ in notes:
            with suppress(ValueError):  # written by another version, or unreadable
                self._written[setting] = _REFUSAL.decode(note)
        for setting in self._heard.keys() - self._written.keys() - self._unwritten:
            del self._heard[setting]

    def _write(self, setting: str) -> None:
        note = msgspec.json.encode(self._heard[setting])
        is_written = self._shared_state.write(f"{_TOPIC}/{setting}", note)
        (self._unwritten.discard if is_written else self._unwritten.add)(setting)
