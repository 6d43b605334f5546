"""`POST /v1/messages`: check the request, generate an answer, encode it."""

from __future__ import annotations

from typing import Final

from proxy.simulator.authentication import WITHOUT_SAMPLING, check_betas, check_version
from proxy.simulator.content_checks import check_content
from proxy.simulator.generation import generate_answer
from proxy.simulator.identifiers import identifier
from proxy.simulator.message_wire import StreamStyle, encode_events, encode_message
from proxy.simulator.model_checks import check_against_model
from proxy.simulator.replies import Reply, Streamed, Whole
from proxy.simulator.request_context import Call
from proxy.simulator.requests import parse_messages_request
from proxy.simulator.served_models import resolve_model

_LF: Final = b"\n"


def answer_messages(call: Call) -> Reply:
    version = check_version(call.headers)
    check_betas(call.headers)
    request = parse_messages_request(call.decode_body(), takes_sampling=version != WITHOUT_SAMPLING)
    strict = call.conditions.strict_alternation or call.asked.strict_alternation
    check_content(request, strict_alternation=strict)
    model = resolve_model(request.model, today=call.conditions.today)
    check_against_model(request, model)
    message_id = identifier("msg", call.number)
    answer = generate_answer(request, model, call.asked, message_id=message_id)
    if call.wants_stream(usual=request.stream):
        style = StreamStyle(pings=call.pings, unknown_events=call.asked.unknown_events)
        return Streamed(frames=encode_events(answer, style), newline=_LF)
    return Whole(body=encode_message(answer))
