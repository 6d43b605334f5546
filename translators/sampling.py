"""
Decide which of temperature, top_p and top_k are sent.

Values that mean "no effect" are dropped first (`-1`, documented as the default
in 2023, and `top_k: 0`), then those that the model refuses (messages-wire 1.7).
If the model takes either temperature or top_p, the one that differs from its
default is sent; if both or neither do, temperature is.
"""

from __future__ import annotations

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind
from translators.models import Sampling
from translators.wire.completion_requests import CompletionRequest


class SamplingPlan(msgspec.Struct, frozen=True):
    """The sampling parameters to send (None: not sent), and the adjustments made."""

    temperature: float | None
    top_p: float | None
    top_k: int | None
    adjustments: tuple[Adjustment, ...]


_DROPS = {
    "temperature": AdjustmentKind.DROP_TEMPERATURE,
    "top_p": AdjustmentKind.DROP_TOP_P,
    "top_k": AdjustmentKind.DROP_TOP_K,
}
_NO_EFFECT = frozenset({("top_p", -1), ("top_k", -1), ("top_k", 0)})
_DEFAULTS = frozenset({("temperature", 1), ("top_p", 1)})


def plan_sampling(request: CompletionRequest, sampling: Sampling | None) -> SamplingPlan:
    """Plan the three parameters together; `sampling` is None if the model's is unknown."""
    asked = (
        ("temperature", request.temperature),
        ("top_p", request.top_p),
        ("top_k", request.top_k),
    )
    given = {name: value for name, value in asked if value is not None}
    no_effect = {name for name, value in given.items() if (name, value) in _NO_EFFECT}
    dropped = no_effect | _refused(given.keys() - no_effect, given, sampling)
    adjustments = [
        Adjustment(_dropping_kind(name, given[name]), name, _format(given[name]), "nothing")
        for name in given
        if name in dropped
    ]
    sent = {name: value for name, value in given.items() if name not in dropped}
    top_k = sent.get("top_k")
    return SamplingPlan(
        sent.get("temperature"),
        sent.get("top_p"),
        None if top_k is None else int(top_k),
        tuple(adjustments),
    )


def _dropping_kind(name: str, value: float) -> AdjustmentKind:
    """Return the adjustment for a dropped value; a default has no effect on any model."""
    if (name, value) in _NO_EFFECT or (name, value) in _DEFAULTS:
        return AdjustmentKind.DROP_NO_EFFECT_VALUE
    return _DROPS[name]


def _format(value: float) -> str:
    return (
        str(value) if isinstance(value, int) else f"{value:g}"
    )  # `:g` fails for integers too large for a float


def _refused(names: set[str], given: dict[str, float], sampling: Sampling | None) -> set[str]:
    match sampling:
        case Sampling.NONE:
            return names
        case Sampling.ONE_OF if {"temperature", "top_p"} <= names:
            temperature_is_default = given["temperature"] == 1
            top_p_is_default = given["top_p"] == 1
            keep_top_p = temperature_is_default and not top_p_is_default
            return {"temperature"} if keep_top_p else {"top_p"}
        case _:
            return set()
