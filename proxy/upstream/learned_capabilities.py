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
from typing import Any

import structlog

from proxy.security.redaction import Redactor, in_brief
from translators import UNKNOWN, Capabilities

log = structlog.get_logger()

_MAX_MODELS = 256
_MAX_KEYS = 10_000
_MAX_MODELS_OF_A_KEY = 16
_GONE_SECONDS = 300
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
        self._of_all: dict[str, _Lesson] = {}
        """Corrections for all keys by model, the oldest first."""
        self._of_keys: dict[str, dict[str, _Lesson]] = {}
        """Corrections for one key only, by digest of the key and model, the oldest first."""
        self._logged: set[tuple[str, Capabilities]] = set()
        self._refused_user_ids: dict[str, float] = {}
        """When each expires, by digest of the user id."""

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to apply."""
        return not (self._of_all or self._of_keys or self._refused_user_ids)

    def add_user_id(self, opaque: str) -> None:
        """Remember that upstream refuses a user id, by its digest."""
        self._refused_user_ids.pop(opaque, None)
        _make_room(self._refused_user_ids, _MAX_USER_IDS)
        self._refused_user_ids[opaque] = self._clock() + self._seconds

    def refuses_user_id(self, opaque: str) -> bool:
        """Return True if upstream has refused the user id with this digest."""
        return self._refused_user_ids.get(opaque, -math.inf) > self._clock()

    def add(self, model: str, lesson: Capabilities, key: str | None = None) -> None:
        """
        Add a correction; the oldest of its kind makes room for a new one.

        What holds for one key only (a model may be closed to one organisation) has its digest.
        That upstream does not have a model is believed for some minutes only.
        """
        lessons, most = self._of_all, _MAX_MODELS
        if key is not None:
            lessons, most = self._of_keys.pop(key, {}), _MAX_MODELS_OF_A_KEY
            _make_room(self._of_keys, _MAX_KEYS)
            self._of_keys[key] = lessons
        before = lessons.pop(model, None)
        known = before.capabilities if before else UNKNOWN
        _make_room(lessons, most)
        learnt = known.corrected(lesson)
        seconds = self._seconds if lesson.available is None else min(self._seconds, _GONE_SECONDS)
        refusals = before.refusals + 1 if before else 1
        lessons[model] = _Lesson(learnt, self._clock() + seconds, refusals)
        if learnt != known and (model, learnt) not in self._logged:
            # An operator's table is out of date: worth a line, once.
            if len(self._logged) >= _MAX_MODELS:
                self._logged.clear()
            self._logged.add((model, learnt))
            log.warning("lesson_learnt", model=self._shown(model), lesson=learnt.as_text())

    def current(self, key: str | None = None) -> Mapping[str, Capabilities]:
        """Return the corrections in force for a key, by model; expired ones do not count."""
        now = self._clock()
        current: dict[str, Capabilities] = {}
        of_key = self._of_keys.get(key, {}) if key is not None else {}
        for lessons in (self._of_all, of_key):
            for model, lesson in lessons.items():
                if lesson.expires > now:
                    current[model] = current.get(model, UNKNOWN).corrected(lesson.capabilities)
        return current

    def listing(self) -> list[dict[str, object]]:
        """List the corrections for people: model, text, number of refusals, seconds left."""
        now = self._clock()
        return [
            {
                "model": self._shown(model),
                "learnt": lesson.capabilities.as_text(),
                "refusals": lesson.refusals,
                "expires_in_seconds": round(lesson.expires - now),
            }
            | ({} if only is None else {"only_for_key": only})
            for only, lessons in ((None, self._of_all), *self._of_keys.items())
            for model, lesson in lessons.items()
            if lesson.expires > now
        ]

    def _shown(self, model: str) -> str:
        """Return a model's name fit to be read: clients choose it freely."""
        return in_brief(model, self._redactor.text, _MODEL_LENGTH)


def _make_room(table: dict[str, Any], most: int) -> None:
    """Delete the oldest entry of a table that is full."""
    if len(table) >= most:
        del table[next(iter(table))]
