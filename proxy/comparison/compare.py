"""Comparison of two answers to one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from rapidfuzz import fuzz

from proxy.security.redaction import Hide, in_brief
from translators import (
    Dialect,
    Plan,
    Usage,
    read_completion,
    read_completion_stream,
)

_MAX_COMPARED: Final = 10_000
"""Limit on the compared characters of each text; the time grows with the product of both."""
_WORD_LENGTH: Final = 256
"""Limit on the characters of a name; records have the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparableAnswer:
    """An answer, reduced to what can be compared."""

    text: str = field(repr=False)
    stop_reason: str | None
    seconds: float
    model: str | None
    usage: Usage
    adjustments: tuple[str, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between the client's answer and another; pairs have the client's first."""

    equal: bool
    similarity: float
    """A ratio from 0 to 1 over the first 10,000 characters of each text."""
    same_stop_reason: bool
    stop_reasons: tuple[str | None, str | None]
    characters: tuple[int, int]
    milliseconds: tuple[float, float]
    models: tuple[str | None, str | None]
    input_tokens: tuple[float | None, float | None]
    output_tokens: tuple[float | None, float | None]
    adjustments: tuple[tuple[str, ...], tuple[str, ...]]

    def redacted(self, hide: Hide) -> Comparison:
        """Return a redacted copy: the names of models are the client's to choose."""
        models, reasons = (
            (word and in_brief(word, hide, _WORD_LENGTH) for word in pair)
            for pair in (self.models, self.stop_reasons)
        )
        return msgspec.structs.replace(self, models=tuple(models), stop_reasons=tuple(reasons))

    def as_fields(self) -> Mapping[str, object]:
        """Return the fields of a log line."""
        return msgspec.structs.asdict(self)


def compare(one: ComparableAnswer, other: ComparableAnswer) -> Comparison:
    """Compare the client's answer with another."""
    cut = slice(_MAX_COMPARED)
    return Comparison(
        equal=one.text == other.text,
        similarity=round(fuzz.ratio(one.text[cut], other.text[cut]) / 100, 4),
        same_stop_reason=one.stop_reason == other.stop_reason,
        stop_reasons=(one.stop_reason, other.stop_reason),
        characters=(len(one.text), len(other.text)),
        milliseconds=(round(one.seconds * 1000, 3), round(other.seconds * 1000, 3)),
        models=(one.model, other.model),
        input_tokens=(one.usage.input_tokens, other.usage.input_tokens),
        output_tokens=(one.usage.output_tokens, other.usage.output_tokens),
        adjustments=(one.adjustments, other.adjustments),
    )


def from_translated(
    text: str, stop_reason: str | None, plan: Plan, usage: Usage, seconds: float
) -> ComparableAnswer:
    """Make the comparable answer of a translated route."""
    return ComparableAnswer(
        text=text,
        stop_reason=stop_reason,
        seconds=seconds,
        model=plan.sent_model,
        usage=usage,
        adjustments=plan.adjustment_names,
    )


def from_forwarded(body: bytes, dialect: Dialect | None, seconds: float) -> ComparableAnswer:
    """
    Make the comparable answer of a forwarded route; `dialect` is that of a stream, else None.

    Raises `UpstreamProtocolError` if the body is not a complete completion.
    """
    read = read_completion(body) if dialect is None else read_completion_stream(body, dialect)
    return ComparableAnswer(
        text=read.text,
        stop_reason=read.stop_reason,
        seconds=seconds,
        model=None,
        usage=Usage(),
        adjustments=(),
    )
