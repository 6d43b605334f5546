"""
What each model accepts, when it retires and which model replaces it.

This module has the types and the look-up; the models are in `known.py`.
Days are ISO dates (`2026-11-30`), which sort as text. Callers pass in "today",
because translators read no clock.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind
from translators.models.names import legacy_family, plain_names


class Sampling(enum.Enum):
    """Support of a model for temperature, top_p and top_k (messages-wire 1.7)."""

    ALL = "all"
    ONE_OF = "one_of"  # temperature or top_p, but not both; top_k with either
    NONE = "none"


class Thinking(enum.Enum):
    """A model's default for thinking, and the value that turns it off (messages-wire 1.8)."""

    OFF = "off"
    ON = "on"  # `disabled` turns it off
    BETWEEN_TOOLS = "between_tools"  # the only value that turns it off
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Limits and features of a model; None means unknown, and causes no adjustment."""

    max_output_tokens: int | None = None
    prefill: bool | None = None
    sampling: Sampling | None = None
    thinking: Thinking | None = None
    available: bool | None = None
    """False if upstream has answered that it does not have the model."""

    def corrected(self, lesson: Capabilities) -> Capabilities:
        """Return a copy in which the known values of `lesson` replace those of this object."""
        return Capabilities(
            max_output_tokens=lesson.max_output_tokens or self.max_output_tokens,
            prefill=self.prefill if lesson.prefill is None else lesson.prefill,
            sampling=lesson.sampling or self.sampling,
            thinking=lesson.thinking or self.thinking,
            available=self.available if lesson.available is None else lesson.available,
        )

    def as_text(self) -> str:
        """Describe the known values for people: `prefill=no, sampling=none`."""
        known = (
            ("max_output_tokens", self.max_output_tokens),
            ("prefill", None if self.prefill is None else "yes" if self.prefill else "no"),
            ("sampling", self.sampling and self.sampling.value),
            ("thinking", self.thinking and self.thinking.value),
            ("available", None if self.available is None else "yes" if self.available else "no"),
        )
        return ", ".join(f"{name}={value}" for name, value in known if value is not None)


UNKNOWN = Capabilities()
_DATE: Final = re.compile(r"-20\d{6}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that requests can name by its id or an alias."""

    id: str
    aliases: tuple[str, ...] = ()
    capabilities: Capabilities = UNKNOWN
    context_tokens: int | None = None
    deprecated: str | None = None
    """Day on which the retirement was announced."""
    retires: str | None = None
    """First day on which every request for the model fails; None if it is not certain."""
    retires_not_before: str | None = None
    """Earliest possible day of retirement, if no certain one was announced."""
    successor: str | None = None
    """Id of the replacement: the official one, or for a live model the one that is asked if
    upstream no longer has it."""

    def is_retired(self, today: str) -> bool:
        """Return True if requests for the model fail on that day."""
        return self.retires is not None and self.retires <= today

    def status(self, today: str) -> str:
        """Return `active`, `deprecated` or `retired`."""
        if self.is_retired(today):
            return "retired"
        return "deprecated" if self.deprecated and self.deprecated <= today else "active"


class ResolvedModel(msgspec.Struct, frozen=True):
    """The model to send a request to, its capabilities, and the adjustments that led to it."""

    id: str
    capabilities: Capabilities
    adjustments: tuple[Adjustment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The known models, and the operator's own mapping of names to models."""

    models: tuple[Model, ...]
    overrides: Mapping[str, str] = field(default_factory=dict[str, str])
    """Pattern of a requested name (`claude-instant-*`) -> model to send; the first match wins."""
    newest: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name by which gateways ask for the newest model of a line -> its id."""
    _by_name: dict[str, Model] = field(init=False, repr=False, compare=False)
    _by_undated_name: dict[str, Model] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the models by name; if two share one, the first is found."""
        names = {
            name: model for model in reversed(self.models) for name in (*model.aliases, model.id)
        }
        newest = {name: names[model] for name, model in self.newest.items()}
        undated = newest | {_DATE.sub("", name): model for name, model in names.items()}
        object.__setattr__(self, "_by_name", names)
        object.__setattr__(self, "_by_undated_name", undated | names)

    @property
    def names(self) -> tuple[str, ...]:
        """Ids and aliases of all models."""
        return tuple(self._by_name)

    def resolve(self, asked: str, today: str) -> ResolvedModel:
        """Follow the operator's mapping, then successors, to a model that can answer today."""
        overrides = self.overrides.items()
        mapped = next((model for name, model in overrides if fnmatchcase(asked, name)), asked)
        # What the operator names is sent as it is, unless it is a name of the table itself.
        is_of_the_table = mapped == asked or mapped in self._by_name
        sent = self._successor(mapped, today) if is_of_the_table else mapped
        adjustments: list[Adjustment] = []
        if mapped != asked:
            adjustments.append(Adjustment(AdjustmentKind.MAP_MODEL, "model", asked, mapped))
        if sent != mapped:
            kind = AdjustmentKind.REPLACE_RETIRED_MODEL
            adjustments.append(Adjustment(kind, "model", mapped, sent))
        return ResolvedModel(sent, self._capabilities(sent), tuple(adjustments))

    def listed(self, name: str) -> Model | None:
        """Return the model with exactly that id or alias, or None."""
        return self._by_name.get(name)

    def find(self, name: str) -> Model | None:
        """Return the model with that id or alias, or of that retired family, or None."""
        if (model := self._by_name.get(name)) is not None:
            return model
        family = legacy_family(name)
        return self._by_name.get(family) if family else None

    def find_in_any_spelling(self, name: str) -> Model | None:
        """Return the model that a cloud, a gateway or a person calls by that name, or None."""
        if (model := self.find(name)) is not None:
            return model
        plain = (self._by_undated_name.get(plain) for plain in plain_names(name))
        return next((model for model in plain if model is not None), None)

    def instead_of(self, gone: str, today: str) -> ResolvedModel | None:
        """Return the model to ask if upstream has answered that it does not have one, or None."""
        model = self.find(gone)
        if model is None or model.successor is None:
            return None
        sent = self._successor(model.successor, today)
        adjustment = Adjustment(AdjustmentKind.REPLACE_GONE_MODEL, "model", gone, sent)
        return ResolvedModel(sent, self._capabilities(sent), (adjustment,))

    def with_models(self, models: Iterable[Model]) -> Catalogue:
        """Return a catalogue that looks for a name in `models` first, then in this one."""
        return replace(self, models=(*models, *self.models))

    def _capabilities(self, name: str) -> Capabilities:
        model = self.find_in_any_spelling(name)
        return model.capabilities if model else UNKNOWN

    def _successor(self, name: str, today: str) -> str:
        seen: set[str] = set()
        while (model := self.find(name)) and model.is_retired(today) and name not in seen:
            seen.add(name)
            if model.successor is None:
                return name
            name = model.successor
        return name
