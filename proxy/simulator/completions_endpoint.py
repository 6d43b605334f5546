"""
`POST /v1/complete` as the API itself served it.

Every model it served is retired, so it refuses all requests by default. With
`legacy_models_alive` it answers as it did before July 2025.
"""

from __future__ import annotations

from typing import Final

from proxy.simulator.api_errors import invalid_request, model_not_found
from proxy.simulator.catalogue.legacy_models import MAX_LEGACY_OUTPUT_TOKENS, resolve_legacy_model
from proxy.simulator.catalogue.models import find_model
from proxy.simulator.catalogue.served_models import MODELS
from proxy.simulator.checks.authentication import check_version, read_version
from proxy.simulator.checks.completion_requests import (
    HUMAN,
    CompletionRequest,
    check_prompt,
    parse_completion_request,
)
from proxy.simulator.endings import find_ending, override_ending
from proxy.simulator.identifiers import identifier
from proxy.simulator.replies import Reply, StreamedReply, WholeReply
from proxy.simulator.request_context import RequestContext
from proxy.simulator.tokens import clip_deltas, split_into_deltas
from proxy.simulator.wire.completion_wire import (
    Completion,
    encode_completion,
    encode_completion_events,
)

_CRLF: Final = b"\r\n"  # in both versions (legacy-wire 3)
_FIRST_VERSION: Final = "2023-01-01"


def answer_completion(context: RequestContext) -> Reply:
    if context.config.legacy_models_alive:
        # Old clients could leave out the header and got the first version (legacy-wire 1.2).
        version = read_version(context.headers) or _FIRST_VERSION
    else:
        version = check_version(context.headers)
    is_first_version = version == _FIRST_VERSION
    request = parse_completion_request(context.decode_body(), is_first_version=is_first_version)
    if find_model(MODELS, request.model) is not None:
        raise invalid_request(
            f'"{request.model}" is not supported on this API. Please use the Messages API instead.'
        )
    model = resolve_legacy_model(request.model)
    if model is None or not context.config.legacy_models_alive:
        raise model_not_found(request.model)
    check_prompt(request.prompt)
    completion = _complete(request, model, context)
    if context.wants_stream(usual=bool(request.stream)):
        frames = encode_completion_events(
            completion, is_first_version=is_first_version, pings=context.pings
        )
        return StreamedReply(frames=frames, newline=_CRLF)
    return WholeReply(body=encode_completion(completion, is_first_version=is_first_version))


def _complete(request: CompletionRequest, model: str, context: RequestContext) -> Completion:
    options, deltas = context.options, context.options.deltas
    if deltas is None:
        question = request.last_question
        text = f' You said "{question}" and this is what the old API answers.'
        if request.prefill:
            text = f' and so on, continuing in answer to "{question}" as the old API did.'
        text = text if options.text is None else options.text
        deltas = split_into_deltas(text, options.delta_size)
    budget = min(request.max_tokens_to_sample, MAX_LEGACY_OUTPUT_TOKENS)
    length, ending = find_ending("".join(deltas), budget, "max_tokens", request.stops)
    if ending.reason == "end_turn":
        ending = override_ending(ending, options)
    is_cut = ending.reason == "max_tokens"
    return Completion(
        id=identifier("compl", context.number),
        model=model,
        deltas=clip_deltas(deltas, length),
        stop_reason="max_tokens" if is_cut else "stop_sequence",
        # A natural end looks like the built-in stop (legacy-wire 2.2).
        stop=None if is_cut else ending.sequence or HUMAN,
    )
