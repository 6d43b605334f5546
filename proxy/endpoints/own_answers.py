"""Holdover's own answers, errors and pages, which no cache may store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from proxy.error_app import NO_STORE_HEADERS
from proxy.errors import Failure, ForeignOrigin, MethodNotAllowed, NotBedrock, NotFound
from proxy.headers import BROWSER_SIGN, Headers, preflight_headers
from translators import encode_error

Page: TypeAlias = Callable[[Request], Awaitable[Response]]

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Methods that are served; an upstream that echoes a TRACE would reveal our key to its sender."""


def error(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error in the legacy envelope."""
    body = encode_error(kind, message, None)
    return Response(body, status, headers, media_type="application/json")


def refusal(failure: Failure, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response that tells the client about a failure."""
    if isinstance(failure, MethodNotAllowed):
        headers = {"allow": ", ".join(failure.allowed), **(headers or {})}
    answer = error(failure.status, failure.error_type, str(failure), headers)
    if not isinstance(failure, NotBedrock):
        return answer
    # Repeat the message where AWS's SDKs look for it (bedrock-vertex A5).
    envelope = msgspec.json.decode(answer.body) | {"message": str(failure)}
    aws_headers = {"x-amzn-errortype": "ResourceNotFoundException", **(headers or {})}
    return Response(
        msgspec.json.encode(envelope), answer.status_code, aws_headers, media_type=answer.media_type
    )


def preflight(headers: Headers) -> Response:
    """Answer that a page may send its request; raise `ForeignOrigin` if it could read no answer."""
    if not (allowed := preflight_headers(headers)):
        raise ForeignOrigin(
            "Pages of other sites may ask only with a key that their reader can see, and say so "
            f"with the header {BROWSER_SIGN.decode()}: true."
        )
    shown = {name.decode(): value.decode("latin-1") for name, value in allowed}
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=shown)


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer requests for a page that Holdover does not have."""
    await refusal(NotFound("Not found"))(scope, receive, send)


def restrict_methods(page: Page, *methods: str) -> Page:
    """Return a page that refuses all methods but these."""

    async def answer(request: Request) -> Response:
        if request.method not in methods:
            return refusal(MethodNotAllowed(methods))
        return await page(request)

    return answer


def without_caching(send: Send) -> Send:
    """Wrap `send` so that caches do not store the response and give it to someone else."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *NO_STORE_HEADERS]}
        await send(message)

    return sending
