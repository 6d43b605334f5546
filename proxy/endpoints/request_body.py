"""Read request bodies whole, within limits of size and time, while the client is connected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from starlette.types import Receive

from proxy.errors import BodyNotReadable, BodyTooLarge, BodyTooLong, BodyTooSlow, ClientGone
from proxy.headers import Headers, declared_length, first

_NO_ENCODING: Final = frozenset(
    b"identity none null utf-8 utf8 ascii us-ascii iso-8859-1 json application/json".split()
) | {b""}
"""Codings in `content-encoding` that clients send with an uncompressed body."""


Hold: TypeAlias = Callable[[int], Awaitable[None]]
"""Waits until there is room for so many more bytes, or raises a `Failure`."""


async def read_body(
    receive: Receive,
    headers: Headers,
    *,
    max_bytes: int,
    timeout_seconds: float,
    hold: Hold | None = None,
) -> bytes:
    """Read a body of at most `max_bytes`; raise a `Failure` if it exceeds a limit."""
    codings = (first(headers, b"content-encoding") or b"").lower().split(b",")
    if any(coding.strip(b" \t") not in _NO_ENCODING for coding in codings):
        raise BodyNotReadable("content-encoding: send the request body uncompressed")
    if declared_length(headers) > max_bytes:
        raise BodyTooLarge("Request exceeds the maximum size")
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    # The server names a failure if it has ended the connection for a body that is
                    # broken.
                    raise message.get("failure") or ClientGone
                piece = message.get("body", b"")
                size += len(piece)
                if size > max_bytes:
                    raise BodyTooLong("Request exceeds the maximum size")
                if hold is not None:
                    await hold(len(piece))
                pieces.append(piece)
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError as exc:
        raise BodyTooSlow(
            f"The request body did not arrive within {timeout_seconds:g} seconds"
        ) from exc


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client closes its connection; then raise `ClientGone`."""
    await receive()  # after the whole body, only a disconnect can come
    raise ClientGone
