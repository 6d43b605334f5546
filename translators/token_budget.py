"""
Thinking: off where that is legal, cheap where it is not.

The legacy API knew no thinking. Today thinking counts as output, so that a
legacy budget of 50 tokens can be used up before the first word (messages-wire
0.1, fact 4).
"""

from __future__ import annotations

from typing import Final

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind
from translators.models import Capabilities, Thinking
from translators.wire.messages import OutputConfig, ThinkingConfig

HEADROOM_TOKENS: Final = 4_096
"""Room for low-effort thinking on top of what was asked; our choice, no source gives one."""

MAX_INTEGER: Final = 2**31 - 1
"""Sent where the model's own limit is unknown and the client asked for more than this."""


class BudgetPlan(msgspec.Struct, frozen=True):
    """How many tokens to allow, and what to say about thinking."""

    max_tokens: int
    thinking: ThinkingConfig | None
    output_config: OutputConfig | None
    adjustments: tuple[Adjustment, ...]


def plan_budget(asked_tokens: int, capabilities: Capabilities) -> BudgetPlan:
    """Cap the budget as the legacy API did (legacy-wire 9.8), and keep thinking out of it."""
    limit = capabilities.max_output_tokens or MAX_INTEGER
    max_tokens = min(asked_tokens, limit)
    adjustments: list[Adjustment] = []
    if max_tokens < asked_tokens:
        adjustments.append(_tokens(AdjustmentKind.CAP_MAX_TOKENS, asked_tokens, max_tokens))
    match capabilities.thinking:
        case Thinking.ON:
            return BudgetPlan(
                max_tokens, ThinkingConfig("disabled"), None, (*adjustments, _off("disabled"))
            )
        case Thinking.BETWEEN_TOOLS:
            thinking = ThinkingConfig("between_tools")
            return BudgetPlan(max_tokens, thinking, None, (*adjustments, _off("between_tools")))
        case Thinking.ALWAYS:
            adjustments.append(
                Adjustment(AdjustmentKind.LOWER_EFFORT, "output_config.effort", "nothing", "low")
            )
            raised = min(max_tokens + HEADROOM_TOKENS, limit)
            if raised > max_tokens:
                kind = AdjustmentKind.ADD_THINKING_HEADROOM
                adjustments.append(_tokens(kind, asked_tokens, raised))
            return BudgetPlan(raised, None, OutputConfig("low"), tuple(adjustments))
        case _:
            return BudgetPlan(max_tokens, None, None, tuple(adjustments))


def _tokens(kind: AdjustmentKind, asked: int, sent: int) -> Adjustment:
    return Adjustment(kind, "max_tokens_to_sample", str(asked), str(sent))


def _off(how: str) -> Adjustment:
    return Adjustment(AdjustmentKind.TURN_OFF_THINKING, "thinking", "nothing", how)
