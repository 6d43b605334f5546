"""An error of ours as an ASGI application, for requests that no endpoint gets to see."""

from __future__ import annotations

import secrets
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.errors import Failure
from translators import encode_error

NOT_KEPT: Final = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
"""Headers of what is our own: a cache would give it to the next one."""


def new_request_id() -> str:
    """An id for a request that upstream gave none."""
    return f"req_{secrets.token_hex(12)}"


def error_app(failure: Failure) -> ASGIApp:
    """Answer with the error, in the legacy envelope, and close the connection."""

    async def app(_: Scope, __: Receive, send: Send) -> None:
        request_id = new_request_id()
        body = encode_error(failure.error_type, str(failure), request_id)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"request-id", request_id.encode()),
            (b"connection", b"close"),
            *NOT_KEPT,
        ]
        await send({"type": "http.response.start", "status": failure.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
