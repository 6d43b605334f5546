"""
Why it stopped, in the two words the legacy API had for it: a total function.

Natural ends and stop sequences are both `stop_sequence`, natural ends with
the built-in stop (legacy-wire 6, 9.7). For refusals, pauses and whatever comes
later the legacy API had no word; they count as natural ends.
"""

from __future__ import annotations

from translators.wire.completions import BUILTIN_STOP, LastChunk

_OUT_OF_TOKENS = frozenset({"max_tokens", "model_context_window_exceeded"})


def translate_stop_reason(
    stop_reason: str | None, stop_sequence: str | None, emulated_stop: str | None
) -> LastChunk:
    """Translate how a message ended; an emulated stop ended it before anything upstream says."""
    if emulated_stop is not None:
        return LastChunk("stop_sequence", emulated_stop)
    if stop_reason in _OUT_OF_TOKENS:
        return LastChunk("max_tokens", None)
    return LastChunk("stop_sequence", stop_sequence or BUILTIN_STOP)
