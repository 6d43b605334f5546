"""The end of an answer: its stop reason, and the position in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.simulator.faults.fault_headers import SimulateOptions
from proxy.simulator.tokens import find_stop, length_of_tokens

_REFUSAL_DETAILS: Final[Mapping[str, object]] = {
    "type": "refusal",
    "category": "cyber",
    "explanation": "This request was declined because it could enable cyber harm.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    reason: str
    sequence: str | None = None
    details: Mapping[str, object] | None = None


def find_ending(text: str, tokens: int, reason: str, stops: Sequence[str]) -> tuple[int, Ending]:
    """
    Return the length of the text within the token budget, and the ending.

    `reason` is the stop reason to give when the budget runs out.
    """
    length = length_of_tokens(text, tokens)
    stop = find_stop(text[:length], stops)
    if stop is not None:
        return stop[0], Ending(reason="stop_sequence", sequence=stop[1])
    if tokens == 0 or length < len(text):
        return length, Ending(reason=reason)
    return length, Ending(reason="end_turn")


def override_ending(ending: Ending, options: SimulateOptions) -> Ending:
    """Return the ending that the request asks for in headers, or the given one."""
    if (
        options.stop_reason is None
        and options.stop_sequence is None
        and options.stop_details is None
    ):
        return ending
    reason = options.stop_reason or ("stop_sequence" if options.stop_sequence else ending.reason)
    details = options.stop_details or (_REFUSAL_DETAILS if reason == "refusal" else None)
    return Ending(reason=reason, sequence=options.stop_sequence, details=details)
