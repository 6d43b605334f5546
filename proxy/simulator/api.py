"""
The API as an ASGI application: read a request, log it, build the reply and deliver it.

    receive -> simulate-* headers -> route -> key -> endpoint -> faults -> delivery

Any step may raise a `Refusal`, which becomes the error response of the API.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from proxy.simulator.api_errors import Refusal
from proxy.simulator.authentication import check_key
from proxy.simulator.completions_endpoint import answer_completion
from proxy.simulator.delivery import deliver, plan_delivery
from proxy.simulator.fault_headers import Misbehaviour, parse_misbehaviour
from proxy.simulator.fault_injection import apply_faults
from proxy.simulator.identifiers import identifier
from proxy.simulator.messages_endpoint import answer_messages
from proxy.simulator.models_endpoint import answer_model, answer_model_list
from proxy.simulator.replies import Reply, reply_refusal
from proxy.simulator.request_body import MAX_BODY, body_too_large
from proxy.simulator.request_context import Call, Conditions
from proxy.simulator.request_log import Journal, Outcome, Received
from proxy.simulator.response_headers import response_headers

Endpoint = Callable[[Call], Reply]

_ROUTES: Final[Mapping[str, tuple[str, Endpoint]]] = MappingProxyType(
    {
        "/v1/messages": ("POST", answer_messages),
        "/v1/complete": ("POST", answer_completion),
        "/v1/models": ("GET", answer_model_list),
    }
)
_MODEL: Final = "/v1/models/"


class Api:
    def __init__(self, conditions: Conditions, journal: Journal) -> None:
        self._conditions = conditions
        self._journal = journal
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        received = Received(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers.items(),
        )
        self._journal.add(received)
        body = await _read_body(receive)
        if body is None:
            received.outcome = Outcome.CLIENT_DISCONNECTED
            return
        received.keep_body(body)
        await self._answer(headers, body, received, receive, send)

    async def _answer(
        self, headers: Headers, body: bytes, received: Received, receive: Receive, send: Send
    ) -> None:
        number = next(self._numbers)
        request_id = identifier("req", number)
        asked = Misbehaviour()
        try:
            asked = parse_misbehaviour(headers.items())
            call = Call(
                method=received.method,
                path=received.path,
                query=QueryParams(received.query),
                headers=headers,
                body=body,
                asked=asked,
                number=number,
                conditions=self._conditions,
            )
            reply = apply_faults(_reply(call), asked, request_id=request_id)
        except Refusal as refusal:
            reply = reply_refusal(refusal, request_id)
        sent = response_headers(reply, asked, request_id=request_id, today=self._conditions.today)
        await deliver(plan_delivery(reply, asked, sent), received, receive, send)


def _reply(call: Call) -> Reply:
    if len(call.body) > MAX_BODY:
        raise body_too_large()
    method, endpoint = _route(call.path)
    if call.method != method:
        raise Refusal(405, "Method Not Allowed")  # the text is *assumed*
    check_key(call.headers)
    return endpoint(call)


def _route(path: str) -> tuple[str, Endpoint]:
    if path in _ROUTES:
        return _ROUTES[path]
    if path.startswith(_MODEL):
        return "GET", answer_model
    raise Refusal(404, "Not Found")  # recorded in 2023 as "Not found" (legacy-wire 7.3)


async def _read_body(receive: Receive) -> bytes | None:
    """
    Read the request body, or return None if the client disconnects first.

    Reading stops one byte past the limit: enough to recognise a body that is too large.
    """
    body = bytearray()
    while len(body) <= MAX_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body[: MAX_BODY + 1])
