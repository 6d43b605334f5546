"""
The call for a current SDK that replaces a caller's old one, from what it mostly sends.

Where its request was captured, that is planned as it would be today. Otherwise
an example is made of what the record knows: the values as they were, the
features as they were, and words that say what to put in their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from proxy.report.model import CurrentCall
from proxy.traffic import TrafficRecord
from proxy.traffic.store.examples import StoredExample
from translators import (
    InvalidCompletionRequest,
    Policy,
    as_code,
    decode_completion_request,
    dialect_of,
    plan_request,
)

_JAVASCRIPT: Final = ("js", "typescript", "node", "axios", "undici", "javascript")


def call_of(example: StoredExample, share: float, policy: Policy, today: str) -> CurrentCall | None:
    """The captured request as code, else an example; None: there is nothing to be asked today."""
    record, captured = example
    for request in (captured, example_request(record)):
        code = _code(request, record, policy, today)
        if code is not None:
            return CurrentCall(
                language=language_of(record),
                code=code,
                is_captured=request is captured,
                exchange=record.id,
                asked=record.asked_model,
                share=share,
            )
    return None


def language_of(record: TrafficRecord) -> str:
    """That of its SDK, or of the program that it says it is; curl's where neither tells."""
    said = f"{record.sdk or ''} {record.user_agent or ''}".lower()
    if "python" in said:
        return "python"
    return "typescript" if any(name in said for name in _JAVASCRIPT) else "curl"


def _code(request: object, record: TrafficRecord, policy: Policy, today: str) -> str | None:
    try:
        decoded = decode_completion_request(msgspec.json.encode(request))
        plan = plan_request(decoded, dialect_of(record.version), policy, today=today)
    except InvalidCompletionRequest:
        return None
    return as_code(plan, language_of(record))


def example_request(record: TrafficRecord) -> dict[str, Any]:
    """A legacy request with the record's values and features, and words in place of its texts."""
    stops = list(_stops(record))
    fields = {
        "model": record.asked_model,
        "prompt": "".join(_prompt(record.features)),
        "max_tokens_to_sample": record.max_tokens,
        "temperature": record.temperature,
        "top_p": record.top_p,
        "top_k": record.top_k,
        "stop_sequences": stops or None,
        "stream": record.streamed or None,
        "metadata": {"user_id": "THE USER'S ID"} if "metadata" in record.features else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _prompt(features: tuple[str, ...]) -> Iterator[str]:
    if "system" in features:
        yield "THE SYSTEM PROMPT"
    if "multi_turn" in features:
        yield "\n\nHuman: WHAT THE USER SAID FIRST\n\nAssistant: WHAT WAS ANSWERED"
    yield "\n\nHuman: WHAT THE USER SAYS\n\nAssistant:"
    if "prefill" in features:
        yield " HOW THE ANSWER BEGINS"


def _stops(record: TrafficRecord) -> Iterator[str]:
    if "white_space_stops" in record.features:
        yield "\n\n"
    elif "custom_stops" in record.features:
        yield "A STOP SEQUENCE"
