"""What there is to know about a model: everything a rule asks about is in its `Traits`."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from typing import Final


class Sampling(enum.Enum):
    """Which of temperature, top_p and top_k a model takes under version 2023-06-01."""

    ALL = enum.auto()
    ONE_OF = enum.auto()  # temperature or top_p, never both
    NO_EFFECT = enum.auto()  # only values that change nothing
    NO_EFFECT_EXACTLY = enum.auto()  # the same, but top_p must be 0.99 to the digit


class Thinking(enum.Enum):
    """Which `thinking.type` a model takes, and what it does when none is sent."""

    UNKNOWN = enum.auto()  # the parameter did not exist for these models
    BUDGET = enum.auto()  # off by default; enabled only
    BUDGET_OR_ADAPTIVE = enum.auto()  # off by default
    ADAPTIVE = enum.auto()  # off by default
    ON = enum.auto()  # on by default; disabled turns it off
    ON_BETWEEN_TOOLS = enum.auto()  # on by default; only between_tools turns it off
    ALWAYS = enum.auto()
    ALWAYS_BY_EFFORT = enum.auto()  # always, with a refusal text of its own

    @property
    def is_on_by_default(self) -> bool:
        return self in _ON_BY_DEFAULT


_ON_BY_DEFAULT: Final = frozenset(
    {Thinking.ON, Thinking.ON_BETWEEN_TOOLS, Thinking.ALWAYS, Thinking.ALWAYS_BY_EFFORT}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How one generation of models behaves."""

    context_window: int
    max_tokens: int
    takes_prefill: bool
    sampling: Sampling
    thinking: Thinking
    takes_effort: bool = True
    default_effort: str = "high"
    omits_thinking_text: bool = False
    takes_system_turns: bool = False


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
        """`haiku`, `sonnet`, `opus`, `fable` or `mythos`."""
        return next(word for word in self.id.split("-") if word in _LINES)

    @property
    def display_name(self) -> str:
        """`Claude Haiku 4.5`; how the real names are spelled is *assumed*."""
        words = [word for word in self.id.split("-")[1:] if len(word) < _DIGITS_OF_A_DATE]
        names = [word.capitalize() for word in words if not word.isdigit()]
        numbers = ".".join(word for word in words if word.isdigit())
        return " ".join(["Claude", *names, numbers]).strip()

    def lifecycle(self, today: datetime.date) -> str:
        if self.retires is not None and self.retires <= today:
            return "retired"
        if self.deprecated is not None and self.deprecated <= today:
            return "deprecated"
        return "active"


_DIGITS_OF_A_DATE: Final = 8
_LINES: Final = frozenset({"haiku", "sonnet", "opus", "fable", "mythos"})


def find_model(models: tuple[Model, ...], name: str) -> Model | None:
    """By dated id or alias, retired or not."""
    return next((model for model in models if name == model.id or name in model.aliases), None)
