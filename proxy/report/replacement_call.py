"""
Write the call for a current SDK that replaces what a caller mostly sends.

A captured request is planned as it would be today. Without one, an example is
made from the record: its values and features are kept, and capitalised words
stand where the texts belong.
"""

from __future__ import annotations

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


def call_of(
    example: StoredExample,
    share: float,
    policy: Policy,
    today: str,
    *,
    language: str | None = None,
) -> CurrentCall | None:
    """
    Return the captured request as code, else an example; None if neither can be planned.

    Its language is the caller's own, unless another one is wanted.
    """
    record, captured = example.record, example.request
    language = language or language_of(record)
    for request in (captured, example_request(record)):
        try:
            decoded = decode_completion_request(msgspec.json.encode(request))
            plan = plan_request(decoded, dialect_of(record.version), policy, today=today)
        except InvalidCompletionRequest:
            continue
        return CurrentCall(
            language=language,
            code=as_code(plan, language),
            is_captured=request is captured,
            exchange=record.id,
            asked=record.asked_model,
            share=share,
        )
    return None


def language_of(record: TrafficRecord) -> str:
    """Guess the language from the SDK or the user agent; `curl` if they do not tell."""
    client = f"{record.sdk or ''} {record.user_agent or ''}".lower()
    if "python" in client:
        return "python"
    return "typescript" if any(name in client for name in _JAVASCRIPT) else "curl"


def example_request(record: TrafficRecord) -> dict[str, Any]:
    """Return a legacy request with the record's values and features, and words for its texts."""
    features = record.features
    prompt = "THE SYSTEM PROMPT" if "system" in features else ""
    if "multi_turn" in features:
        prompt += "\n\nHuman: THE USER'S FIRST MESSAGE\n\nAssistant: THE FIRST ANSWER"
    prompt += "\n\nHuman: THE USER'S MESSAGE\n\nAssistant:"
    if "prefill" in features:
        prompt += " THE BEGINNING OF THE ANSWER"
    stops = None
    if "white_space_stops" in features:
        stops = ["\n\n"]
    elif "custom_stops" in features:
        stops = ["A STOP SEQUENCE"]
    fields = {
        "model": record.asked_model,
        "prompt": prompt,
        "max_tokens_to_sample": record.max_tokens,
        "temperature": record.temperature,
        "top_p": record.top_p,
        "top_k": record.top_k,
        "stop_sequences": stops,
        "stream": record.streamed or None,
        "metadata": {"user_id": "THE USER'S ID"} if "metadata" in features else None,
    }
    return {name: value for name, value in fields.items() if value is not None}
