"""Responses to clients of HTTP/1.0, which know no chunks: the end of the connection ends them."""

from __future__ import annotations

from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http import httptools_impl

from proxy.headers import first


async def end_by_closing(
    cycle: httptools_impl.RequestResponseCycle,
    app: ASGI3Application,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Run an application, and leave its response without chunks (RFC 9112, section 6.1)."""
    has_length = True

    async def sending(message: Any) -> None:
        nonlocal has_length
        if message["type"] == "http.response.start":
            has_length = first(message["headers"], b"content-length") is not None
            if not has_length:
                cycle.chunked_encoding = False
        elif not has_length:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    await app(scope, receive, sending)  # type: ignore[arg-type]
