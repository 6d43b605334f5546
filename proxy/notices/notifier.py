"""
Sends notices of what goes wrong, beside the exchanges, from one worker of the machine.

Each worker tells the others in the shared state what is wrong as it sees it. The one that holds
the lock announces the sum of it. Which problems were announced, and which notices are still to be
sent, is kept there as well, for the worker that comes after it.
"""

from __future__ import annotations

import asyncio
import secrets as dice
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
import structlog

from proxy.config.runtime import NoticeReceiver
from proxy.notices.delivery import deliver
from proxy.notices.kinds import KINDS, Problem
from proxy.notices.ledger import Ledger, Pace
from proxy.notices.notice import Notice, instance_name, notice_of
from proxy.security.redaction import describe_crash
from proxy.workers.shared_state import SharedState

log = structlog.get_logger()

_LOCK: Final = "notices.lock"
_PROBLEMS: Final = "problems"
_NOTICES: Final = "notices"
_NAME: Final = "kept"
_STALE_LOOKS: Final = 5
"""Looks after which what another worker has said is not true any more."""
_MOST_WAITING: Final = 64
_LIST: Final = msgspec.json.Decoder(list[Problem])


class _Kept(msgspec.Struct, frozen=True):
    """The announced problems and the unsent notices, kept for the next worker that sends."""

    told: list[Problem]
    waiting: list[Notice]


_KEPT: Final = msgspec.json.Decoder(_Kept)


class NoticeObserver(Protocol):
    """Counts notices."""

    def notice_ended(self, outcome: str) -> None:
        """Count a notice that was `sent` or `dropped`, or an attempt that `failed`."""


@dataclass(slots=True, kw_only=True)
class Notifier:
    """The notices of one worker."""

    receiver: Callable[[], NoticeReceiver | None]
    """Returns the receiver that notices are sent to at present; None if there is none."""
    find_problems: Callable[[], Iterable[Problem]]
    shared_state: SharedState
    observer: NoticeObserver
    pace: Pace = field(default_factory=Pace)
    _ledger: Ledger | None = None
    """Kept by the one worker of the machine that announces."""
    _waiting: list[Notice] = field(default_factory=list[Notice])
    _has_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    _has_published: bool = False

    async def keep_looking(self) -> None:
        """Look for problems until cancelled."""
        while True:
            if self.receiver() is not None:
                try:
                    self.look()
                except Exception as exc:  # noqa: BLE001 - no crash may end the looking
                    log.error("notices_crashed", **describe_crash(exc))
            await asyncio.sleep(self.pace.look)

    def look(self) -> None:
        """Tell the other workers what is wrong, and announce what all know if it is our turn."""
        mine = list(self.find_problems())
        if mine or self._has_published:
            self.shared_state.publish(_PROBLEMS, msgspec.json.encode(mine))
            self._has_published = bool(mine)
        if self._ledger is None:
            if not self.shared_state.claim(_LOCK):
                return
            self._ledger = self._taken_over()
        problems = [*self._of_peers(), *mine]
        instance = instance_name()
        announcements = self._ledger.look(problems, time.monotonic())
        for each in announcements:
            self._waiting.append(
                notice_of(
                    each.kind, each.state, each.problems, instance=instance, changes=each.changes
                )
            )
        too_many = max(len(self._waiting) - _MOST_WAITING, 0)
        for old in self._waiting[1 : 1 + too_many]:  # the first may be on its way
            self._drop(old, "too many wait")
        if announcements:
            self._keep()
        if self._waiting:
            self._has_waiting.set()

    async def keep_sending(self) -> None:
        """Send what waits, in the order in which it was announced, until cancelled."""
        failures, problem = 0, None
        while True:
            await self._has_waiting.wait()
            self._drop_old(problem or "it has waited for too long")
            receiver = self.receiver()
            if not self._waiting or receiver is None:
                self._has_waiting.clear()
                failures, problem = 0, None
                continue
            notice = self._waiting[0]
            began = time.monotonic()
            try:
                problem = await deliver(notice, receiver, self.pace.attempt)
            except Exception as exc:  # noqa: BLE001 - a bug in sending must not end the serving
                log.error("notices_crashed", **describe_crash(exc))
                problem = type(exc).__name__
            if problem is None:
                failures = 0
                self._waiting.remove(notice)
                self._keep()
                self.observer.notice_ended("sent")
                took = round(time.monotonic() - began, 3)
                log.info("notice_sent", notice=notice.type, id=notice.data.id, seconds=took)
                continue
            failures += 1
            self.observer.notice_ended("failed")
            log.warning("notice_failed", notice=notice.type, id=notice.data.id, reason=problem)
            await asyncio.sleep(self._pause(failures))

    def close(self) -> None:
        """Let another worker announce; what waits is kept for it."""
        if self._ledger is not None:
            self._keep()
            self.shared_state.release(_LOCK)

    def _pause(self, failures: int) -> float:
        # The exponent is bounded, too: a receiver may be gone for weeks.
        longest = min(self.pace.retry * 2.0 ** min(failures - 1, 16), self.pace.longest_retry)
        return longest * dice.SystemRandom().uniform(0.5, 1)

    @property
    def _stale_seconds(self) -> float:
        return self.pace.look * _STALE_LOOKS

    def _of_peers(self) -> list[Problem]:
        # At each look: workers that keep dying would leave more and more.
        self.shared_state.expire(_PROBLEMS, older_than=self._stale_seconds)
        problems: list[Problem] = []
        for note in self.shared_state.from_peers(_PROBLEMS, within=self._stale_seconds):
            with suppress(ValueError):  # another version of Holdover wrote it
                problems += [each for each in _LIST.decode(note) if each.kind in KINDS]
        return problems

    def _taken_over(self) -> Ledger:
        """Return the ledger of the worker before this one, and take over what it had to send."""
        ledger = Ledger(self.pace)
        for name, note, _ in self.shared_state.read(_NOTICES):
            with suppress(ValueError):  # another version of Holdover wrote it
                if name == _NAME:
                    kept = _KEPT.decode(note)
                    self._waiting = list(kept.waiting)
                    ledger.told = {
                        (each.kind, each.subject): each for each in kept.told if each.kind in KINDS
                    }
        return ledger

    def _keep(self) -> None:
        assert self._ledger is not None
        kept = _Kept(list(self._ledger.told.values()), self._waiting)
        self.shared_state.write(f"{_NOTICES}/{_NAME}", msgspec.json.encode(kept))

    def _drop_old(self, reason: str) -> None:
        for notice in [*self._waiting]:
            if abs(time.time() - notice.timestamp.timestamp()) >= self.pace.give_up:
                self._drop(notice, reason)

    def _drop(self, notice: Notice, reason: str) -> None:
        self._waiting.remove(notice)
        assert self._ledger is not None
        if notice.data.state == "began":
            self._ledger.forget((notice.data.kind, each.subject) for each in notice.data.problems)
        self._keep()
        self.observer.notice_ended("dropped")
        log.error("notice_dropped", notice=notice.type, id=notice.data.id, reason=reason)
