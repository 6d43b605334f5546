"""The type of a model; checks look only at its `Traits`, never at its name."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from typing import Final

EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
"""All values of `output_config.effort`, the lowest first."""


class Sampling(enum.Enum):
    """Rule for temperature, top_p and top_k under version 2023-06-01."""

    ALL = enum.auto()
    ONE_OF = enum.auto()  # temperature or top_p, never both
    NO_EFFECT = enum.auto()  # only values without effect: temperature 1, top_p from 0.99 to 1
    NO_EFFECT_EXACTLY = enum.auto()  # temperature 1 or top_p 0.99, not both


class Thinking(enum.Enum):
    """Values of `thinking.type` that a model takes, and its default."""

    UNKNOWN = enum.auto()  # the parameter did not exist for these models
    BUDGET = enum.auto()  # off by default; enabled only
    BUDGET_OR_ADAPTIVE = enum.auto()  # off by default
    ADAPTIVE = enum.auto()  # off by default
    ON = enum.auto()  # on by default; disabled turns it off
    ON_BETWEEN_TOOLS = enum.auto()  # on by default; only between_tools turns it off
    ALWAYS = enum.auto()
    ALWAYS_BY_EFFORT = enum.auto()  # like ALWAYS, but the error text recommends effort

    @property
    def is_on_by_default(self) -> bool:
        return self in _ON_BY_DEFAULT


_ON_BY_DEFAULT: Final = frozenset(
    {Thinking.ON, Thinking.ON_BETWEEN_TOOLS, Thinking.ALWAYS, Thinking.ALWAYS_BY_EFFORT}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Limits and parameters of one generation of models; sizes are in tokens."""

    context_window: int
    max_tokens: int
    takes_prefill: bool
    sampling: Sampling
    thinking: Thinking
    efforts: tuple[str, ...] = EFFORTS
    """Values of `output_config.effort`; without any, the parameter is refused."""
    default_effort: str = "high"
    omits_thinking_text: bool = False
    takes_system_turns: bool = False

    @property
    def takes_forced_tools(self) -> bool:
        """False if `tool_choice` may not force a tool, as where thinking cannot be turned off."""
        return self.thinking not in _ALWAYS_ON


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    id: str
    aliases: tuple[str, ...]
    released: datetime.date
    deprecated: datetime.date | None
    retires: datetime.date | None
    traits: Traits

    @property
    def line(self) -> str:
        """The model line: `haiku`, `sonnet`, `opus`, `fable` or `mythos`."""
        return next(word for word in self.id.split("-") if word in _LINES)

    @property
    def display_name(self) -> str:
        """A name such as `Claude Haiku 4.5`; the spelling of real ones is *assumed*."""
        words = [word for word in self.id.split("-")[1:] if len(word) < _DATE_DIGITS]
        names = [word.capitalize() for word in words if not word.isdigit()]
        numbers = ".".join(word for word in words if word.isdigit())
        return " ".join(["Claude", *names, numbers]).strip()

    def lifecycle(self, today: datetime.date) -> str:
        if self.retires is not None and self.retires <= today:
            return "retired"
        if self.deprecated is not None and self.deprecated <= today:
            return "deprecated"
        return "active"


_ALWAYS_ON: Final = frozenset({Thinking.ALWAYS, Thinking.ALWAYS_BY_EFFORT})
_DATE_DIGITS: Final = 8
_LINES: Final = frozenset({"haiku", "sonnet", "opus", "fable", "mythos"})


def find_model(models: tuple[Model, ...], name: str) -> Model | None:
    """Return the model with this id or alias, retired or not; None if there is none."""
    return next((model for model in models if name == model.id or name in model.aliases), None)
