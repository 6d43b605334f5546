"""Find the problems that one worker has or knows of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from proxy.config.reload import ConfigReloader
from proxy.notices.kinds import Problem
from proxy.rollout import RetiringModel
from proxy.traffic.status import Recording
from proxy.workers.guards import Guards
from proxy.workers.key_health import KeyHealth

_LOSS_SECONDS: Final = 300
"""Time after a loss for which more of them are expected."""
_RETIRING_DAYS: Final = 14
"""Days before the end of a model in which somebody should have acted."""


class LossObserver(Protocol):
    """Counts what could not be kept."""

    def records_lost(self, count: int) -> None:
        """Count records."""

    def journal_dropped(self, kind: str, size: int) -> None:
        """Count bytes of `contents` or `records`."""


class RecentLosses:
    """Passes losses on to where they are counted, and remembers when there was one."""

    def __init__(self, observer: LossObserver, clock: Callable[[], float] = time.monotonic) -> None:
        self._observer = observer
        self._clock = clock
        self._last: float | None = None

    def records_lost(self, count: int) -> None:
        """Count records that could not be written and exist only in the log."""
        self._last = self._clock()
        self._observer.records_lost(count)

    def journal_dropped(self, kind: str, size: int) -> None:
        """Count bytes of `contents` or `records` that were deleted or not written."""
        self._last = self._clock()
        self._observer.journal_dropped(kind, size)

    @property
    def are_recent(self) -> bool:
        """True if there was a loss in the last five minutes."""
        return self._last is not None and self._clock() - self._last < _LOSS_SECONDS


class ReadinessReason(Protocol):
    """A reason why a worker is less than ready."""

    @property
    def name(self) -> str:
        """Name of the reason, which is that of a kind of problem, too."""

    @property
    def message(self) -> str:
        """A sentence about what has happened, and one about what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemFinder:
    """Looks at everything of a worker that a notice can be about."""

    reloader: ConfigReloader
    guards: Guards
    keys: KeyHealth
    recording: Recording | None
    losses: RecentLosses
    checks: Sequence[Callable[[], ReadinessReason | None]]
    """Checks of `/readyz`."""
    retiring: Callable[[], Sequence[RetiringModel]]
    """Returns the models that are asked and end soon."""

    def __call__(self) -> Iterator[Problem]:
        """Yield what is wrong at present."""
        if (said := self.reloader.version.problem) is not None:
            said = said.replace("\n", "; ")
            text = f"The settings file is invalid, and older settings stay in force: {said}."
            yield Problem("settings_bad", text)
        for rule in sorted(self.guards.tripped):
            reason = self.guards.trips[rule].reason
            text = f"The guard of {rule} has taken its share to zero: {reason}."
            yield Problem("guard_tripped", text, rule)
        for setting, refusal in self.keys.problems(self.reloader.config.keyring).items():
            what = "refuses the key in" if refusal.key else "asks for a key, which belongs in"
            text = f"The upstream {refusal.url} {what} {setting} (status {refusal.status})."
            yield Problem("key_refused", text, setting)
        for check in self.checks:
            if (found := check()) is not None:
                yield Problem(found.name, found.message)
        yield from self._of_recording()
        for each in self.retiring():
            if each.days <= _RETIRING_DAYS:
                text = f"{each.model} retires on {each.retires}, and is asked."
                yield Problem("model_retires", text, each.model)

    def _of_recording(self) -> Iterator[Problem]:
        if self.recording is None:
            return
        state = self.recording.state
        if state.problem is not None:
            text = f"The journal cannot be written ({state.problem}); records wait in memory."
            yield Problem("journal_failed", text)
        if state.loader is not None and state.loader.problem is not None:
            text = f"Records do not get into the store: {state.loader.problem}."
            yield Problem("store_failed", text)
        if self.losses.are_recent:
            text = "Records or bodies are lost: `records_lost` and `journal_dropped` in the log."
            yield Problem("records_lost", text)
