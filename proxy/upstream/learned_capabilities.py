"""
Corrections of what is known about models, learned from upstream's refusals.

The number of corrections is bounded, and a correction expires, so that a model that
changes is noticed without a restart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
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


_MAX_TOLD = 256


@dataclass(frozen=True, slots=True)
class _Lesson:
    capabilities: Capabilities
    expires: float
    refusals: int

    def with_another(self, other: _Lesson) -> _Lesson:
        """Return what both teach of a model, which is believed until the later end."""
        return _Lesson(
            self.capabilities.corrected(other.capabilities),
            max(self.expires, other.expires),
            self.refusals + other.refusals,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A correction for a model as one process tells it to others."""

    model: str
    capabilities: Capabilities
    key: str | None = None
    """Digest of the only key that it holds for; None if it holds for all."""
    seconds: float
    """Seconds for which it is still believed."""
    refusals: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What a process has learned itself; user ids are digests, with the seconds left."""

    models: tuple[Lesson, ...] = ()
    user_ids: Mapping[str, float]


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
        self._heard: dict[str | None, dict[str, _Lesson]] = {}
        """Corrections from other processes, by digest of the only key and by model."""
        self._heard_user_ids: dict[str, float] = {}
        self.version = 0
        """Grows with each refusal that has taught this process something."""

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to apply."""
        own = self._of_all or self._of_keys or self._refused_user_ids
        return not (own or self._heard or self._heard_user_ids)

    def add_user_id(self, opaque: str) -> None:
        """Remember that upstream refuses a user id, by its digest."""
        self._refused_user_ids.pop(opaque, None)
        _make_room(self._refused_user_ids, _MAX_USER_IDS)
        self._refused_user_ids[opaque] = self._clock() + self._seconds
        self.version += 1

    def refuses_user_id(self, opaque: str) -> bool:
        """Return True if upstream has refused the user id with this digest."""
        tables = (self._refused_user_ids, self._heard_user_ids)
        return max(table.get(opaque, -math.inf) for table in tables) > self._clock()

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
        refusals = before.refusals + 1 if before else 1
        lessons[model] = _Lesson(learnt, self._clock() + self._seconds_for(lesson), refusals)
        self.version += 1
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
        tables = [self._of_all, self._heard.get(None, {})]
        if key is not None:
            tables += [self._of_keys.get(key, {}), self._heard.get(key, {})]
        for model, lesson in chain.from_iterable(table.items() for table in tables):
            if lesson.expires > now:
                current[model] = current.get(model, UNKNOWN).corrected(lesson.capabilities)
        return current

    def own(self) -> Lessons:
        """
        Return the newest of what this process has learned itself, to be told to others.

        A model whose name had to be redacted is left out: clients choose it freely, and what is
        told may be kept in files.
        """
        now = self._clock()
        models = (
            Lesson(
                model=model,
                capabilities=lesson.capabilities,
                key=key,
                seconds=lesson.expires - now,
                refusals=lesson.refusals,
            )
            for key, lessons in chain([(None, self._of_all)], reversed(self._of_keys.items()))
            for model, lesson in reversed(lessons.items())
            if lesson.expires > now and self._shown(model) == model
        )
        newest = islice(reversed(self._refused_user_ids.items()), _MAX_TOLD)
        return Lessons(
            models=tuple(islice(models, _MAX_TOLD)),
            user_ids={opaque: ends - now for opaque, ends in newest if ends > now},
        )

    def hear(self, told: Iterable[Lessons]) -> None:
        """Replace what other processes have told; nothing is believed for longer than one's own."""
        now = self._clock()
        self._heard, self._heard_user_ids = {}, {}
        for lessons in told:
            for each in lessons.models:
                table = self._heard.setdefault(each.key, {})
                expires = now + min(each.seconds, self._seconds_for(each.capabilities))
                lesson = _Lesson(each.capabilities, expires, each.refusals)
                before = table.get(each.model)
                table[each.model] = before.with_another(lesson) if before else lesson
            for opaque, seconds in lessons.user_ids.items():
                self._heard_user_ids[opaque] = now + min(seconds, self._seconds)

    def listing(self) -> list[dict[str, object]]:
        """List the corrections for people: model, text, number of refusals, seconds left."""
        now = self._clock()
        found: dict[tuple[str | None, str], _Lesson] = {}
        own = chain([(None, self._of_all)], self._of_keys.items())
        for only, lessons in chain(own, self._heard.items()):
            for model, lesson in lessons.items():
                if lesson.expires > now:
                    before = found.get((only, model))
                    found[only, model] = before.with_another(lesson) if before else lesson
        return [
            {
                "model": self._shown(model),
                "learnt": lesson.capabilities.as_text(),
                "refusals": lesson.refusals,
                "expires_in_seconds": round(lesson.expires - now),
            }
            | ({} if only is None else {"only_for_key": only})
            for (only, model), lesson in found.items()
        ]

    def _seconds_for(self, lesson: Capabilities) -> float:
        is_gone = lesson.available is not None
        return min(self._seconds, _GONE_SECONDS) if is_gone else self._seconds

    def _shown(self, model: str) -> str:
        """Return a model's name fit to be read: clients choose it freely."""
        return in_brief(model, self._redactor.text, _MODEL_LENGTH)


def _make_room(table: dict[str, Any], most: int) -> None:
    """Delete the oldest entry of a table that is full."""
    if len(table) >= most:
        del table[next(iter(table))]
