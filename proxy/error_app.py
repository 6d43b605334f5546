"""ASGI application that answers with an error, for requests that reach no endpoint."""

from __future__ import annotations

import secrets
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.errors import Failure
from translators import encode_error

NO_STORE_HEADERS: Final = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
"""Headers of Holdover's own responses: a cache must not serve them to other clients."""


def new_request_id() -> str:
    """Return an id for a request to which the upstream has given none."""
    return f"req_{secrets.token_hex(12)}"


def error_response(failure: Failure) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of a response that is the connection's last."""
    request_id = new_request_id()
    body = encode_error(failure.error_type, str(failure), request_id)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"request-id", request_id.encode()),
        (b"connection", b"close"),
        *failure.headers,
        *NO_STORE_HEADERS,
    ]
    return failure.status, headers, body


def error_app(failure: Failure) -> ASGIApp:
    """Return an application that sends the error as legacy JSON and closes the connection."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        status, headers, body = error_response(failure)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
