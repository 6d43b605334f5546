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
from translators.models.catalogue import Sampling
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
    adjustments: list[Adjustment] = []
    for name, value in given.items():
        if name not in dropped:
            continue
        # A default has no effect on any model, not even on one that takes no such parameter.
        has_no_effect = name in no_effect or (name, value) in _DEFAULTS
        kind = AdjustmentKind.DROP_NO_EFFECT_VALUE if has_no_effect else _DROPS[name]
        # `:g` fails for integers too large for a float.
        text = str(value) if isinstance(value, int) else f"{value:g}"
        adjustments.append(Adjustment(kind, name, text, "nothing"))
    sent = {name: value for name, value in given.items() if name not in dropped}
    return SamplingPlan(
        sent.get("temperature"),
        sent.get("top_p"),
        request.top_k if "top_k" in sent else None,
        tuple(adjustments),
    )


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
