"""A call of the legacy API as a program writes it, and the call that replaces it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.migrate.text import Text
from translators import Adjustment

Role: TypeAlias = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A value that only the running program knows, as it is written."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyCall:
    """The arguments of a legacy call; None means that one is not given."""

    model: str | Expression | None
    prompt: Text
    max_tokens_to_sample: int | Expression | None
    stop_sequences: tuple[Text, ...] | Expression | None = None
    temperature: float | Expression | None = None
    top_k: int | Expression | None = None
    top_p: float | Expression | None = None
    user_id: Text | None = None
    """The user id of `metadata`, if that is a literal object with nothing else."""
    metadata: Expression | None = None
    """The whole `metadata` otherwise."""
    stream: bool = False
    unknown: tuple[str, ...] = ()
    """Names of arguments that the API does not have."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message of the new call."""

    role: Role
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """The call of the Messages API that replaces a legacy call."""

    model: str | Expression
    max_tokens: int | Expression
    extra_tokens: int = 0
    """What is added to `max_tokens`, if that is an expression: room for thinking."""
    system: Text | None = None
    messages: tuple[NewMessage, ...]
    stop_sequences: tuple[Text, ...] = ()
    temperature: float | Expression | None = None
    top_k: int | Expression | None = None
    top_p: float | Expression | None = None
    user_id: Text | None = None
    metadata: Expression | None = None
    thinking: str | None = None
    """The `type` of `thinking`, which turns it off."""
    effort: str | None = None
    """The `effort` of `output_config`."""
    stream: bool = False
    began_with_space: bool = True
    """True if answers of the old call began with a space, which those of the new one do not."""
    needs_timeout: bool = False
    """True if the SDKs refuse to wait for a whole answer of so many tokens without one."""
    adjustments: tuple[Adjustment, ...] = ()
    edges: tuple[str, ...] = ()
    """Holes right after a marker: a space or line end that their values begin with is sent now."""
    looks: tuple[str, ...] = ()
    """Reasons for which a person must look at the call; whole sentences."""

    @property
    def has_sampling(self) -> bool:
        """True if a sampling parameter is sent."""
        return any(value is not None for value in (self.temperature, self.top_k, self.top_p))

    @property
    def content(self) -> Text | None:
        """The text of the only message, or None if there are several or a system prompt."""
        return self.messages[0].text if len(self.messages) == 1 and self.system is None else None


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence that says why a call is left alone."""

    text: str
