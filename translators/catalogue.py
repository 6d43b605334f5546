"""
Models: what each one takes, when it retires, and what answers in its place.

The types and the look-up; the models themselves are in `known_models.py`.
Days are ISO dates (`2026-11-30`), which sort as text, and "today" is always
handed in: translators read no clock.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from translators.adjustments import Adjustment, AdjustmentKind


class Sampling(enum.Enum):
    """Which of temperature, top_p and top_k a model takes (messages-wire 1.7)."""

    ALL = "all"
    ONE_OF = "one_of"  # temperature or top_p, not both; top_k beside either
    NONE = "none"


class Thinking(enum.Enum):
    """Whether a model thinks unasked, and how to stop it (messages-wire 1.8)."""

    OFF = "off"
    ON = "on"  # `disabled` turns it off
    BETWEEN_TOOLS = "between_tools"  # the only value that turns it off
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model takes; None means unknown, and then nothing is changed on its account."""

    max_output_tokens: int | None = None
    prefill: bool | None = None
    sampling: Sampling | None = None
    thinking: Thinking | None = None


UNKNOWN = Capabilities()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model, under the id that requests name."""

    id: str
    aliases: tuple[str, ...] = ()
    capabilities: Capabilities = UNKNOWN
    retires: str | None = None
    """The day from which every request for it fails, where that is certain."""
    successor: str | None = None
    """The officially named replacement."""

    def is_retired(self, today: str) -> bool:
        """Whether requests for it fail on that day."""
        return self.retires is not None and self.retires <= today


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What to ask for, what it takes, and what was changed to get there."""

    id: str
    capabilities: Capabilities
    adjustments: tuple[Adjustment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All models known, and the operator's own names for some."""

    models: tuple[Model, ...]
    overrides: Mapping[str, str] = field(default_factory=dict[str, str])
    """Pattern of the asked name (`claude-instant-*`) -> model to send; the first match wins."""

    def resolve(self, asked: str, today: str) -> ResolvedModel:
        """Follow the operator's mapping, then successors, to a model that can answer today."""
        mapped = self._override(asked)
        sent = self._successor(mapped, today)
        adjustments: list[Adjustment] = []
        if mapped != asked:
            adjustments.append(Adjustment(AdjustmentKind.MAP_MODEL, "model", asked, mapped))
        if sent != mapped:
            kind = AdjustmentKind.REPLACE_RETIRED_MODEL
            adjustments.append(Adjustment(kind, "model", mapped, sent))
        model = self.find(sent)
        return ResolvedModel(sent, model.capabilities if model else UNKNOWN, tuple(adjustments))

    def find(self, name: str) -> Model | None:
        """The model of that id or alias."""
        for model in self.models:
            if name == model.id or name in model.aliases:
                return model
        return None

    def _override(self, asked: str) -> str:
        for pattern, sent in self.overrides.items():
            if fnmatchcase(asked, pattern):
                return sent
        return asked

    def _successor(self, name: str, today: str) -> str:
        seen: set[str] = set()
        while (model := self.find(name)) and model.is_retired(today) and name not in seen:
            seen.add(name)
            if model.successor is None:
                return name
            name = model.successor
        return name
