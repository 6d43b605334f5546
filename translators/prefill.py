"""
Decide how a prefill, the start of the answer written by the client, is continued.

The completion must read on where the prompt ends. A model that takes a prefill
continues it. One that refuses it (messages-wire 1.3) is asked in words to
continue, and to begin with its last words, at which `PrefillJoiner` joins the
answer to it. All models refuse white space at the end of a prefill.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind, describe_blank
from translators.errors import InvalidCompletionRequest
from translators.prompt import Conversation
from translators.wire.messages import Message

PrefillStrategy: TypeAlias = Literal["continue", "instruct", "reject"]

# The documented wording for models without prefill (messages-wire 1.3).
_CONTINUE: Final = (
    "Your previous response was interrupted and ended with `{prefill}`. "
    "Continue from where you left off."
)
# Our addition: the repeated words show where the continuation begins.
_ANCHOR: Final = (
    " Begin by repeating its last few words exactly as they are; they will be taken off, so that "
    "what follows them is joined in the right place."
)
MIN_ANCHOR_TOKENS: Final = 64
"""Token limit from which on repeated words are asked for: they use up a few of the tokens."""
_INSTRUCT: Final = (
    "Your response is appended, as it is, to this text, which you have already written:\n\n"
    "{prefill}\n\n"
    "Continue exactly where it ends and do not repeat any of it."
)


class PrefillPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan for a prefill: the text to send, and the echo to remove from the answer."""

    closing: tuple[Message, ...] = ()
    """Messages to add after the conversation."""
    instruction: str | None = None
    """Text to add to the system prompt."""
    echo: str = ""
    """The prefill, if the model may repeat it; otherwise empty."""
    trimmed: str = ""
    """White space removed from the prefill's end; the answer may begin with it."""
    adjustments: tuple[Adjustment, ...] = ()


_NO_PREFILL: Final = PrefillPlan()


def plan_prefill(
    conversation: Conversation,
    *,
    takes_prefill: bool,
    strategy: PrefillStrategy,
    max_tokens: int = MIN_ANCHOR_TOKENS,
) -> PrefillPlan:
    """
    Plan the messages or the instruction that have the prefill continued.

    `max_tokens` is the client's limit on the answer.
    Raises `InvalidCompletionRequest` if the model takes no prefill and the
    strategy is `reject`.
    """
    if conversation.prefill is None:
        return _NO_PREFILL
    text = conversation.prefill.rstrip()
    trimmed = conversation.prefill[len(text) :]
    adjustments: tuple[Adjustment, ...] = ()
    if trimmed:
        adjustments = (
            Adjustment(AdjustmentKind.TRIM_PREFILL, "prompt", describe_blank(trimmed), "nothing"),
        )
    prefill = Message("assistant", text)
    if takes_prefill:
        return PrefillPlan(closing=(prefill,), trimmed=trimmed, adjustments=adjustments)
    if strategy == "reject":
        raise InvalidCompletionRequest(
            'prompt: this model takes no text after the last "\n\nAssistant:"; '
            "end the prompt there, or ask for a model that takes a prefill"
        )
    if strategy == "instruct":
        return PrefillPlan(
            instruction=_INSTRUCT.format(prefill=text),
            echo=text,
            trimmed=trimmed,
            adjustments=(*adjustments, _emulation(AdjustmentKind.INSTRUCT_PREFILL)),
        )
    asked = _CONTINUE.format(prefill=text)
    if max_tokens >= MIN_ANCHOR_TOKENS:
        asked += _ANCHOR
    return PrefillPlan(
        closing=(prefill, Message("user", asked)),
        echo=text,
        trimmed=trimmed,
        adjustments=(*adjustments, _emulation(AdjustmentKind.CONTINUE_PREFILL)),
    )


def _emulation(kind: AdjustmentKind) -> Adjustment:
    return Adjustment(kind, "prompt", "a prefill", "a request to continue it")
