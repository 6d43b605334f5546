"""
Models: what each one takes, when it retires, and what answers in its place.

The types and the look-up; the models themselves are in `known_models.py`.
Days are ISO dates (`2026-11-30`), which sort as text, and "today" is always
handed in: translators read no clock.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import msgspec

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

    def corrected(self, known_better: Capabilities) -> Capabilities:
        """These, except where the other ones know."""
        return Capabilities(
            max_output_tokens=known_better.max_output_tokens or self.max_output_tokens,
            prefill=self.prefill if known_better.prefill is None else known_better.prefill,
            sampling=known_better.sampling or self.sampling,
            thinking=known_better.thinking or self.thinking,
        )

    def as_text(self) -> str:
        """What is known, for people: `prefill=no, sampling=none`."""
        known = (
            ("max_output_tokens", self.max_output_tokens),
            ("prefill", None if self.prefill is None else "yes" if self.prefill else "no"),
            ("sampling", self.sampling and self.sampling.value),
            ("thinking", self.thinking and self.thinking.value),
        )
        return ", ".join(f"{name}={value}" for name, value in known if value is not None)


UNKNOWN = Capabilities()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model, under the id that requests name."""

    id: str
    aliases: tuple[str, ...] = ()
    capabilities: Capabilities = UNKNOWN
    context_tokens: int | None = None
    deprecated: str | None = None
    """The day on which its retirement was announced."""
    retires: str | None = None
    """The day from which every request for it fails, where that is certain."""
    retires_not_before: str | None = None
    """The earliest day on which it may retire, where that is all that was said."""
    successor: str | None = None
    """The officially named replacement."""

    def is_retired(self, today: str) -> bool:
        """Whether requests for it fail on that day."""
        return self.retires is not None and self.retires <= today

    def status(self, today: str) -> str:
        """`active`, `deprecated` or `retired`."""
        if self.is_retired(today):
            return "retired"
        return "deprecated" if self.deprecated and self.deprecated <= today else "active"


class ResolvedModel(msgspec.Struct, frozen=True):
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
    _by_name: dict[str, Model] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the models; of two with one name the first counts."""
        names = {
            name: model for model in reversed(self.models) for name in (*model.aliases, model.id)
        }
        object.__setattr__(self, "_by_name", names)

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
        return self._by_name.get(name)

    def with_models(self, models: Iterable[Model]) -> Catalogue:
        """These models and others, which count first where names are the same."""
        return Catalogue(models=(*models, *self.models), overrides=self.overrides)

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
