"""
Corrections of what is known about models, learned from upstream's refusals.

The number of corrections is bounded, and a correction expires, so that a model that
changes is noticed without a restart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from proxy.security.redaction import CallerDigest, Redactor, in_brief
from translators import UNKNOWN, Capabilities

log = structlog.get_logger()

_MAX_LESSONS = 256
_MAX_USER_IDS = 10_000
_MODEL_LENGTH = 256


@dataclass(frozen=True, slots=True)
class _Lesson:
    capabilities: Capabilities
    expires: float
    refusals: int


class LearnedCapabilities:
    """Corrected capabilities by model, shared by all requests of a process."""

    def __init__(self, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._redactor = Redactor()
        self._clock = clock
        self._lessons: dict[tuple[str, CallerDigest | None], _Lesson] = {}
        self._refused_user_ids: dict[str, float] = {}
        """When each expires, by digest of the user id."""

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to apply."""
        return not (self._lessons or self._refused_user_ids)

    def add_user_id(self, opaque: str) -> None:
        """Remember that upstream refuses a user id, by its digest."""
        self._refused_user_ids.pop(opaque, None)
        if len(self._refused_user_ids) >= _MAX_USER_IDS:
            del self._refused_user_ids[next(iter(self._refused_user_ids))]
        self._refused_user_ids[opaque] = self._clock() + self._seconds

    def refuses_user_id(self, opaque: str) -> bool:
        """Return True if upstream has refused the user id with this digest."""
        return self._refused_user_ids.get(opaque, -math.inf) > self._clock()

    def add(self, model: str, lesson: Capabilities, key: CallerDigest | None = None) -> None:
        """
        Add a correction; the model that was corrected longest ago makes room for a new one.

        What holds for one key only (a model may be closed to one organisation) has its digest.
        """
        before = self._lessons.pop((model, key), None)
        known = before.capabilities if before else UNKNOWN
        if len(self._lessons) >= _MAX_LESSONS:
            del self._lessons[next(iter(self._lessons))]
        learnt = known.corrected(lesson)
        refusals = before.refusals + 1 if before else 1
        self._lessons[model, key] = _Lesson(learnt, self._clock() + self._seconds, refusals)
        if learnt != known:  # an operator's table is out of date: worth a line, once
            log.warning("lesson_learnt", model=self._shown(model), lesson=learnt.as_text())

    def current(self, key: CallerDigest | None = None) -> Mapping[str, Capabilities]:
        """Return the corrections in force for a key, by model; expired ones are forgotten."""
        if not self._lessons:
            return {}
        now = self._clock()
        self._lessons = {of: known for of, known in self._lessons.items() if known.expires > now}
        current: dict[str, Capabilities] = {}
        for (model, only), lesson in self._lessons.items():
            if only is None or only == key:
                current[model] = current.get(model, UNKNOWN).corrected(lesson.capabilities)
        return current

    def listing(self) -> list[dict[str, object]]:
        """List the corrections for people: model, text, number of refusals, seconds left."""
        self.current()
        now = self._clock()
        return [
            {
                "model": self._shown(model),
                "learnt": lesson.capabilities.as_text(),
                "refusals": lesson.refusals,
                "expires_in_seconds": round(lesson.expires - now),
            }
            | ({} if only is None else {"only_for_key": str(only)})
            for (model, only), lesson in self._lessons.items()
        ]

    def _shown(self, model: str) -> str:
        """Return a model's name fit to be read: clients choose it freely."""
        return in_brief(model, self._redactor.text, _MODEL_LENGTH)
