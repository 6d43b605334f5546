"""
Plan the token limit and keep thinking from using it up.

The legacy API had no thinking. Today thinking counts as output, so that it can
use up a legacy budget of 50 tokens before the first word (messages-wire 0.1,
fact 4). It is turned off if the model allows that; otherwise the effort is low.
"""

from __future__ import annotations

from typing import Final

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind
from translators.models.catalogue import Capabilities, Thinking
from translators.wire.messages import OutputConfig, ThinkingConfig

HEADROOM_TOKENS: Final = 4_096
"""Tokens for low-effort thinking, added to the client's limit; our choice, without a source."""

MAX_INTEGER: Final = 2**31 - 1
"""Limit on max_tokens if the model's own limit is unknown."""


class BudgetPlan(msgspec.Struct, frozen=True):
    """The values to send for max_tokens, thinking and effort, and the adjustments made."""

    max_tokens: int
    thinking: ThinkingConfig | None
    output_config: OutputConfig | None
    adjustments: tuple[Adjustment, ...]


def plan_budget(asked_tokens: int, capabilities: Capabilities) -> BudgetPlan:
    """Cap the token limit as the legacy API did (legacy-wire 9.8), and plan thinking."""
    limit = capabilities.max_output_tokens or MAX_INTEGER
    max_tokens = min(asked_tokens, limit)
    adjustments: list[Adjustment] = []
    if max_tokens < asked_tokens:
        adjustments.append(_changed_tokens(AdjustmentKind.CAP_MAX_TOKENS, asked_tokens, max_tokens))
    match capabilities.thinking:
        case Thinking.ON:
            return _without_thinking(max_tokens, ThinkingConfig("disabled"), adjustments)
        case Thinking.BETWEEN_TOOLS:
            return _without_thinking(max_tokens, ThinkingConfig("between_tools"), adjustments)
        case Thinking.ALWAYS:
            adjustments.append(
                Adjustment(AdjustmentKind.LOWER_EFFORT, "output_config.effort", "nothing", "low")
            )
            raised = min(max_tokens + HEADROOM_TOKENS, limit)
            if raised > max_tokens:
                kind = AdjustmentKind.ADD_THINKING_HEADROOM
                adjustments.append(_changed_tokens(kind, asked_tokens, raised))
            return BudgetPlan(raised, None, OutputConfig("low"), tuple(adjustments))
        case _:
            return BudgetPlan(max_tokens, None, None, tuple(adjustments))


def _changed_tokens(kind: AdjustmentKind, asked: int, sent: int) -> Adjustment:
    return Adjustment(kind, "max_tokens_to_sample", str(asked), str(sent))


def _without_thinking(
    max_tokens: int, thinking: ThinkingConfig, adjustments: list[Adjustment]
) -> BudgetPlan:
    kind = AdjustmentKind.TURN_OFF_THINKING
    turned_off = Adjustment(kind, "thinking", "nothing", thinking.type)
    return BudgetPlan(max_tokens, thinking, None, (*adjustments, turned_off))
