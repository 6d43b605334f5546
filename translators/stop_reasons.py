"""
Translate stop reasons into the two that the legacy API had.

Natural ends and stop sequences are both `stop_sequence`; a natural end names
the built-in stop (legacy-wire 6, 9.7). The legacy API had no word for refusals,
pauses and later additions; they count as natural ends.
"""

from __future__ import annotations

from translators.errors import ModelRefused
from translators.wire.completions import BUILTIN_STOP, LastChunk
from translators.wire.messages import AnsweredMessage, MessageEnd, StopDetails

_OUT_OF_TOKENS = frozenset({"max_tokens", "model_context_window_exceeded"})


def found_sequence(end: AnsweredMessage | MessageEnd) -> str | None:
    """Return the stop sequence at which upstream ended a message, or None for any other end."""
    return end.stop_sequence if end.stop_reason == "stop_sequence" else None


def translate_stop_reason(
    stop_reason: str | None, stop_sequence: str | None, matched: str | None
) -> LastChunk:
    """Translate how a message ended; a sequence matched here takes precedence."""
    if matched is not None:
        return LastChunk("stop_sequence", matched)
    if stop_reason in _OUT_OF_TOKENS:
        return LastChunk("max_tokens", None)
    return LastChunk("stop_sequence", stop_sequence or BUILTIN_STOP)


def refusal_of(end: AnsweredMessage | MessageEnd) -> ModelRefused | None:
    """Return the error for a message that ended with a refusal, or None for any other end."""
    if end.stop_reason != "refusal":
        return None
    details = end.stop_details
    explanation = details.explanation if isinstance(details, StopDetails) else details
    return ModelRefused(explanation or "The model refused to answer.")
