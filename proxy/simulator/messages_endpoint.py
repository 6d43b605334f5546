"""`POST /v1/messages`: check the request, generate an answer, encode it."""

from __future__ import annotations

from typing import Final

from proxy.simulator.catalogue.served_models import resolve_model
from proxy.simulator.checks.authentication import (
    VERSION_WITHOUT_SAMPLING,
    check_betas,
    check_version,
)
from proxy.simulator.checks.content_checks import check_content
from proxy.simulator.checks.messages_requests import parse_messages_request
from proxy.simulator.checks.model_checks import check_against_model
from proxy.simulator.generation import generate_answer
from proxy.simulator.identifiers import identifier
from proxy.simulator.replies import Reply, StreamedReply, WholeReply
from proxy.simulator.request_context import RequestContext
from proxy.simulator.wire.message_wire import StreamStyle, encode_events, encode_message

_LF: Final = b"\n"


def answer_messages(context: RequestContext) -> Reply:
    version = check_version(context.headers)
    check_betas(context.headers)
    request = parse_messages_request(
        context.decode_body(), takes_sampling=version != VERSION_WITHOUT_SAMPLING
    )
    strict = context.config.strict_alternation or context.options.strict_alternation
    check_content(request, strict_alternation=strict)
    model = resolve_model(request.model, today=context.config.today)
    check_against_model(request, model)
    message_id = identifier("msg", context.number)
    answer = generate_answer(request, model, context.options, message_id=message_id)
    if context.wants_stream(usual=request.stream):
        style = StreamStyle(pings=context.pings, unknown_events=context.options.unknown_events)
        return StreamedReply(frames=encode_events(answer, style), newline=_LF)
    return WholeReply(body=encode_message(answer))
