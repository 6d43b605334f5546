"""
Corrections of what is known about models, learned from upstream's refusals.

The number of models is bounded, and a correction expires, so that a model that
changes is noticed without a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from proxy.security.redaction import Redactor, in_brief
from translators import UNKNOWN, Capabilities

log = structlog.get_logger()

_MAX_MODELS = 256
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
        self._by_model: dict[str, _Lesson] = {}

    def add(self, model: str, lesson: Capabilities) -> None:
        """Add a correction; the model that was corrected longest ago makes room for a new one."""
        before = self._by_model.pop(model, None)
        known = before.capabilities if before else UNKNOWN
        if len(self._by_model) >= _MAX_MODELS:
            del self._by_model[next(iter(self._by_model))]
        learnt = known.corrected(lesson)
        refusals = before.refusals + 1 if before else 1
        self._by_model[model] = _Lesson(learnt, self._clock() + self._seconds, refusals)
        if learnt != known:  # an operator's table is out of date: worth a line, once
            log.warning("lesson_learnt", model=self._shown(model), lesson=learnt.as_text())

    def current(self) -> Mapping[str, Capabilities]:
        """Return the corrections in force, by model; expired ones are forgotten."""
        if self._by_model:
            now = self._clock()
            self._by_model = {
                m: known for m, known in self._by_model.items() if known.expires > now
            }
        return {model: lesson.capabilities for model, lesson in self._by_model.items()}

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
            for model, lesson in self._by_model.items()
        ]

    def _shown(self, model: str) -> str:
        """Return a model's name fit to be read: clients choose it freely."""
        return in_brief(model, self._redactor.text, _MODEL_LENGTH)
