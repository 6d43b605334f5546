"""
The API as an ASGI application: read a request, log it, build the reply and deliver it.

    receive -> simulate-* headers -> route -> key -> endpoint -> faults -> delivery

Any step may raise an `ApiError`, which becomes the error response of the API.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from proxy.simulator.api_errors import ApiError
from proxy.simulator.checks.authentication import check_key
from proxy.simulator.checks.request_body import MAX_BODY_BYTES, body_too_large
from proxy.simulator.completions_endpoint import answer_completion
from proxy.simulator.delivery import deliver, plan_delivery
from proxy.simulator.faults.fault_headers import SimulateOptions, parse_simulate_headers
from proxy.simulator.faults.fault_injection import apply_faults
from proxy.simulator.identifiers import identifier
from proxy.simulator.messages_endpoint import answer_messages
from proxy.simulator.models_endpoint import answer_model, answer_model_list
from proxy.simulator.replies import Reply, error_reply
from proxy.simulator.request_context import RequestContext, SimulatorConfig
from proxy.simulator.request_log import LoggedRequest, Outcome, RequestLog
from proxy.simulator.response_headers import response_headers

Endpoint = Callable[[RequestContext], Reply]

_ROUTES: Final[Mapping[str, tuple[str, Endpoint]]] = MappingProxyType(
    {
        "/v1/messages": ("POST", answer_messages),
        "/v1/complete": ("POST", answer_completion),
        "/v1/models": ("GET", answer_model_list),
    }
)
_MODEL_PREFIX: Final = "/v1/models/"


class Api:
    def __init__(self, config: SimulatorConfig, request_log: RequestLog) -> None:
        self._config = config
        self._request_log = request_log
        self._request_numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        logged = LoggedRequest(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers.items(),
        )
        self._request_log.add(logged)
        body = await _read_body(receive)
        if body is None:
            logged.outcome = Outcome.CLIENT_DISCONNECTED
            return
        logged.keep_body(body)
        number = next(self._request_numbers)
        request_id = identifier("req", number)
        options = SimulateOptions()
        try:
            options = parse_simulate_headers(headers.items())
            context = RequestContext(
                method=logged.method,
                path=logged.path,
                query=QueryParams(logged.query),
                headers=headers,
                body=body,
                options=options,
                number=number,
                config=self._config,
            )
            reply = apply_faults(_dispatch(context), options, request_id=request_id)
        except ApiError as exc:
            reply = error_reply(exc, request_id)
        sent = response_headers(reply, options, request_id=request_id, today=self._config.today)
        await deliver(plan_delivery(reply, options, sent), logged, receive, send)


def _dispatch(context: RequestContext) -> Reply:
    if len(context.body) > MAX_BODY_BYTES:
        raise body_too_large()
    if context.path in _ROUTES:
        method, endpoint = _ROUTES[context.path]
    elif context.path.startswith(_MODEL_PREFIX):
        method, endpoint = "GET", answer_model
    else:
        raise ApiError(404, "Not Found")  # recorded in 2023 as "Not found" (legacy-wire 7.3)
    if context.method != method:
        raise ApiError(405, "Method Not Allowed")  # the text is *assumed*
    check_key(context.headers)
    return endpoint(context)


async def _read_body(receive: Receive) -> bytes | None:
    """
    Read the request body, or return None if the client disconnects first.

    Reading stops one byte past the limit: enough to recognise a body that is too large.
    """
    body = bytearray()
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body[: MAX_BODY_BYTES + 1])
