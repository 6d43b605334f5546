"""
`POST /v1/complete` as the API itself served it.

Every model it served is retired, so it refuses all requests by default. With
`legacy_models_alive` it answers as it did before July 2025.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.api_errors import invalid_request, unknown_model
from proxy.simulator.authentication import asked_version, check_version
from proxy.simulator.completion_requests import (
    HUMAN,
    CompletionRequest,
    check_prompt,
    parse_completion_request,
)
from proxy.simulator.completion_wire import Completion, encode_completion, encode_completion_events
from proxy.simulator.endings import end_text, override_ending
from proxy.simulator.identifiers import identifier
from proxy.simulator.legacy_models import LEGACY_OUTPUT_CAP, resolve_legacy_model
from proxy.simulator.models import find_model
from proxy.simulator.replies import Reply, Streamed, Whole
from proxy.simulator.request_context import Call
from proxy.simulator.served_models import MODELS
from proxy.simulator.tokens import clip_deltas, split_into_deltas

_CRLF: Final = b"\r\n"  # in both versions (legacy-wire 3)
_FIRST_VERSION: Final = "2023-01-01"


def answer_completion(call: Call) -> Reply:
    is_first_version = _check_version(call) == _FIRST_VERSION
    request = parse_completion_request(call.decode_body(), is_first_version=is_first_version)
    model = _resolve_model(request.model, is_alive=call.conditions.legacy_models_alive)
    check_prompt(request.prompt)
    completion = _complete(request, model, call)
    if call.wants_stream(usual=bool(request.stream)):
        frames = encode_completion_events(
            completion, is_first_version=is_first_version, pings=call.pings
        )
        return Streamed(frames=frames, newline=_CRLF)
    return Whole(body=encode_completion(completion, is_first_version=is_first_version))


def _check_version(call: Call) -> str:
    """Return the version; a missing header once meant the first, now 400 (legacy-wire 1.2)."""
    if call.conditions.legacy_models_alive:
        return asked_version(call.headers) or _FIRST_VERSION
    return check_version(call.headers)


def _resolve_model(name: str, *, is_alive: bool) -> str:
    if find_model(MODELS, name) is not None:
        raise invalid_request(
            f'"{name}" is not supported on this API. Please use the Messages API instead.'
        )
    model = resolve_legacy_model(name)
    if model is None or not is_alive:
        raise unknown_model(name)
    return model


def _complete(request: CompletionRequest, model: str, call: Call) -> Completion:
    deltas = _deltas(request, call)
    budget = min(request.max_tokens_to_sample, LEGACY_OUTPUT_CAP)
    length, ending = end_text("".join(deltas), budget, "max_tokens", request.stops)
    if ending.reason == "end_turn":
        ending = override_ending(ending, call.asked)
    is_over = ending.reason == "max_tokens"
    return Completion(
        id=identifier("compl", call.number),
        model=model,
        deltas=clip_deltas(deltas, length),
        stop_reason="max_tokens" if is_over else "stop_sequence",
        # A natural end looks like the built-in stop (legacy-wire 2.2).
        stop=None if is_over else ending.sequence or HUMAN,
    )


def _deltas(request: CompletionRequest, call: Call) -> tuple[str, ...]:
    asked = call.asked
    if asked.deltas is not None:
        return asked.deltas
    text = f' You said "{request.last_question}" and this is what the old API answers.'
    if request.prefill:
        text = f' and so on, continuing in answer to "{request.last_question}" as the old API did.'
    return split_into_deltas(text if asked.text is None else asked.text, asked.delta_size)
