"""
The models that the API has ever served, and the parameters each generation takes.

The source is messages-wire, sections 1.5 to 1.8 and 5. No other module compares
model names.
"""

from __future__ import annotations

import datetime
from typing import Final

from proxy.simulator.api_errors import model_not_found
from proxy.simulator.catalogue.models import (
    EFFORTS,
    Model,
    Sampling,
    Thinking,
    Traits,
    find_model,
)

_UP_TO_HIGH: Final = ("low", "medium", "high")


def _up_to_4_0(max_tokens: int, thinking: Thinking = Thinking.UNKNOWN) -> Traits:
    return Traits(
        context_window=200_000,
        max_tokens=max_tokens,
        takes_prefill=True,
        sampling=Sampling.ALL,
        thinking=thinking,
        efforts=(),
    )


def _from_4_1_to_4_5(max_tokens: int, *, efforts: tuple[str, ...] = ()) -> Traits:
    return Traits(
        context_window=200_000,
        max_tokens=max_tokens,
        takes_prefill=True,
        sampling=Sampling.ONE_OF,
        thinking=Thinking.BUDGET,
        efforts=efforts,
    )


_GENERATION_4_6: Final = Traits(
    context_window=1_000_000,
    max_tokens=128_000,
    takes_prefill=False,
    sampling=Sampling.ONE_OF,
    thinking=Thinking.BUDGET_OR_ADAPTIVE,
    efforts=tuple(effort for effort in EFFORTS if effort != "xhigh"),
)


def _since_4_7(
    thinking: Thinking,
    *,
    sampling: Sampling = Sampling.NO_EFFECT,
    default_effort: str = "high",
    takes_system_turns: bool = True,
) -> Traits:
    return Traits(
        context_window=1_000_000,
        max_tokens=128_000,
        takes_prefill=False,
        sampling=sampling,
        thinking=thinking,
        default_effort=default_effort,
        omits_thinking_text=True,
        takes_system_turns=takes_system_turns,
    )


def _model(
    names: str, released: str, traits: Traits, *, deprecated: str = "", retires: str = ""
) -> Model:
    model_id, *aliases = names.split()
    return Model(
        id=model_id,
        aliases=tuple(aliases),
        released=datetime.date.fromisoformat(released),
        deprecated=datetime.date.fromisoformat(deprecated) if deprecated else None,
        retires=datetime.date.fromisoformat(retires) if retires else None,
        traits=traits,
    )


# Newest first, in the order of the models list. Release dates of retired models are taken
# from their names; limits of retired models other than 3-opus and sonnet-4 are *assumed*.
# fable-5-1 and mythos-5-1 were released in "early September 2026": the day is *assumed*.
MODELS: Final[tuple[Model, ...]] = (
    _model("claude-fable-5-2", "2026-11-09", _since_4_7(Thinking.ALWAYS)),
    _model("claude-mythos-5-2", "2026-11-09", _since_4_7(Thinking.ALWAYS)),
    _model(
        "claude-haiku-5-5",
        "2026-10-07",
        _since_4_7(Thinking.ON, sampling=Sampling.NO_EFFECT_EXACTLY, default_effort="medium"),
    ),
    _model("claude-sonnet-5-5", "2026-09-28", _since_4_7(Thinking.ON_BETWEEN_TOOLS)),
    _model(
        "claude-opus-5-5",
        "2026-09-22",
        _since_4_7(Thinking.ALWAYS_BY_EFFORT, default_effort="medium"),
    ),
    _model("claude-fable-5-1", "2026-09-01", _since_4_7(Thinking.ALWAYS)),
    _model("claude-mythos-5-1", "2026-09-01", _since_4_7(Thinking.ALWAYS)),
    _model("claude-opus-5", "2026-07-24", _since_4_7(Thinking.ON)),
    _model("claude-sonnet-5", "2026-06-30", _since_4_7(Thinking.ON, takes_system_turns=False)),
    _model("claude-fable-5", "2026-06-09", _since_4_7(Thinking.ALWAYS)),
    _model("claude-mythos-5", "2026-06-09", _since_4_7(Thinking.ALWAYS)),
    _model("claude-opus-4-8", "2026-05-28", _since_4_7(Thinking.ADAPTIVE)),
    _model(
        "claude-opus-4-7", "2026-04-16", _since_4_7(Thinking.ADAPTIVE, takes_system_turns=False)
    ),
    _model(
        # Deprecated since a day that no source names: that of the first end that was announced
        # stands for it. It has not retired; its limits are *assumed*.
        "claude-mythos-preview",
        "2026-04-07",
        _since_4_7(Thinking.ALWAYS, takes_system_turns=False),
        deprecated="2026-06-09",
    ),
    _model("claude-sonnet-4-6", "2026-02-17", _GENERATION_4_6),
    _model("claude-opus-4-6", "2026-02-05", _GENERATION_4_6),
    _model(
        "claude-opus-4-5-20251101 claude-opus-4-5",
        "2025-11-24",
        _from_4_1_to_4_5(64_000, efforts=_UP_TO_HIGH),
        deprecated="2026-11-23",
        retires="2027-01-22",
    ),
    _model("claude-haiku-4-5-20251001 claude-haiku-4-5", "2025-10-15", _from_4_1_to_4_5(64_000)),
    _model(
        "claude-sonnet-4-5-20250929 claude-sonnet-4-5",
        "2025-09-29",
        _from_4_1_to_4_5(64_000),
        deprecated="2026-09-30",
        retires="2026-11-30",
    ),
    _model(
        "claude-opus-4-1-20250805 claude-opus-4-1",
        "2025-08-05",
        _from_4_1_to_4_5(32_000),
        deprecated="2026-06-05",
        retires="2026-08-05",
    ),
    _model(
        "claude-opus-4-20250514 claude-opus-4-0 claude-4-opus-20250514",
        "2025-05-14",
        _up_to_4_0(32_000, Thinking.BUDGET),
        deprecated="2026-04-14",
        retires="2026-06-15",
    ),
    _model(
        "claude-sonnet-4-20250514 claude-sonnet-4-0 claude-4-sonnet-20250514",
        "2025-05-14",
        _up_to_4_0(64_000, Thinking.BUDGET),
        deprecated="2026-04-14",
        retires="2026-06-15",
    ),
    _model(
        "claude-3-7-sonnet-20250219 claude-3-7-sonnet-latest",
        "2025-02-19",
        _up_to_4_0(64_000, Thinking.BUDGET),
        deprecated="2025-10-28",
        retires="2026-02-19",
    ),
    _model(
        "claude-3-5-haiku-20241022 claude-3-5-haiku-latest",
        "2024-10-22",
        _up_to_4_0(8_192),
        deprecated="2025-12-19",
        retires="2026-02-19",
    ),
    _model(
        "claude-3-5-sonnet-20241022 claude-3-5-sonnet-latest",
        "2024-10-22",
        _up_to_4_0(8_192),
        deprecated="2025-08-13",
        retires="2025-10-28",
    ),
    _model(
        "claude-3-5-sonnet-20240620",
        "2024-06-20",
        _up_to_4_0(8_192),
        deprecated="2025-08-13",
        retires="2025-10-28",
    ),
    _model(
        "claude-3-haiku-20240307",
        "2024-03-07",
        _up_to_4_0(4_096),
        deprecated="2026-02-19",
        retires="2026-04-20",
    ),
    _model(
        "claude-3-opus-20240229 claude-3-opus-latest",
        "2024-02-29",
        _up_to_4_0(4_096),
        deprecated="2025-06-30",
        retires="2026-01-05",
    ),
    _model(
        "claude-3-sonnet-20240229",
        "2024-02-29",
        _up_to_4_0(4_096),
        deprecated="2025-01-21",
        retires="2025-07-21",
    ),
)


def resolve_model(name: str, *, today: datetime.date) -> Model:
    """Return the model with this id or alias; a 404 if it is unknown or retired today."""
    model = find_model(MODELS, name)
    if model is None or model.lifecycle(today) == "retired":
        raise model_not_found(name)
    return model
