"""
What the source of a legacy call says of its requests, though the call cannot be read as a whole.

A trait that is None is not known; `NOT_SENT` is one that is known to be missing in each request.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from proxy.migrate.calls import Expression
from proxy.migrate.text import MARKER_WORD, Text, holes_in


class Absence(enum.Enum):
    """Stands for a parameter that a call does not send."""

    NOT_SENT = "not sent"


NOT_SENT: Final = Absence.NOT_SENT
Sampled: TypeAlias = float | Literal[Absence.NOT_SENT] | None
AskedValue: TypeAlias = str | float | bool | None
Asked: TypeAlias = tuple[tuple[str, AskedValue], ...]
"""What the requests of a call have by the names of the API; `stop_sequences` is their number."""

_SWITCHES: Final = frozenset({"stream", "stop_sequences"})
_WORD: Final = re.compile(r"\w{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTraits:
    """What is known of the requests of a call."""

    model: str | Expression | None = None
    max_tokens: int | None = None
    limit: Expression | None = None
    """The limit of tokens as it is written, if that is no number."""
    temperature: Sampled = None
    top_p: Sampled = None
    top_k: Sampled = None
    stops: tuple[str | None, ...] | None = None
    """Each stop sequence; None for one that only the running program knows."""
    stream: bool | None = None
    words: tuple[str, ...] = ()
    """What of the prompt is literal, in its order and without markers."""

    @property
    def asked(self) -> Asked:
        """What a record of each request has, as far as it is known."""
        model = None if isinstance(self.model, Expression) else self.model
        known: list[tuple[str, AskedValue]] = [
            ("model", model),
            ("max_tokens_to_sample", self.max_tokens),
        ]
        pairs = [pair for pair in known if pair[1] is not None]
        sampled = {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}
        pairs += [
            (name, None if value is NOT_SENT else value)
            for name, value in sampled.items()
            if value is not None
        ]
        if self.stops is not None:
            pairs.append(("stop_sequences", len(self.stops)))
        if self.stream is not None:
            pairs.append(("stream", self.stream))
        return tuple(pairs)

    def of_a_part(self) -> CallTraits:
        """Return what is still known if other parameters may be added on the way."""
        return replace(
            self,
            temperature=None if self.temperature is NOT_SENT else self.temperature,
            top_p=None if self.top_p is NOT_SENT else self.top_p,
            top_k=None if self.top_k is NOT_SENT else self.top_k,
            stops=self.stops or None,
            stream=self.stream or None,
        )

    @property
    def can_be_found(self) -> bool:
        """True if a value is known by which requests can be told from others."""
        return any(is_given(name, value) for name, value in self.asked)


def is_given(name: str, value: AskedValue) -> bool:
    """Return True if a request gives a parameter, and not only leaves it out."""
    return bool(value) if name in _SWITCHES else value is not None


def may_be_same(one: Asked, other: Asked) -> bool:
    """Return True if a request may be of both of two calls."""
    known = dict(other)
    return all(name not in known or known[name] == value for name, value in one)


def words_of(text: Text) -> tuple[str, ...]:
    """Return what is literal in a text, without markers and what is too short to tell."""
    pieces = (piece for part in text if isinstance(part, str) for piece in MARKER_WORD.split(part))
    return tuple(piece.strip() for piece in pieces if _WORD.search(piece))


def stops_of(stops: tuple[Text, ...] | Expression) -> tuple[str | None, ...] | None:
    """Return stop sequences as far as they are literal; None if not even their number is known."""
    if isinstance(stops, Expression):
        return None
    return tuple(
        "".join(part for part in stop if isinstance(part, str)) if not holes_in(stop) else None
        for stop in stops
    )
