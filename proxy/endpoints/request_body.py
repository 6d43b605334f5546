"""Read request bodies whole, within limits of size and time, while the client is connected."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.types import Message, Receive, Scope

from proxy.admission import Slot
from proxy.errors import BodyNotReadable, BodyTooLarge, BodyTooLong, BodyTooSlow, ClientGone
from proxy.headers import declared_length, first
from proxy.server.connection.client_gone import while_connected

_NO_ENCODING: Final = frozenset(
    b"identity none null utf-8 utf8 ascii us-ascii iso-8859-1 json application/json".split()
) | {b""}
"""Codings in `content-encoding` that clients send with an uncompressed body."""


async def read_body(
    scope: Scope,
    receive: Receive,
    *,
    max_bytes: int,
    timeout_seconds: float,
    slot: Slot | None = None,
) -> bytes:
    """
    Read a body of at most `max_bytes`; raise a `Failure` if it exceeds a limit.

    It is held in the slot, if there is one. The time in which it waits for room there is not the
    client's.
    """
    headers = scope["headers"]
    codings = (first(headers, b"content-encoding") or b"").lower().split(b",")
    if any(coding.strip(b" \t") not in _NO_ENCODING for coding in codings):
        raise BodyNotReadable("content-encoding: send the request body uncompressed")
    if declared_length(headers) > max_bytes:
        raise BodyTooLarge("Request exceeds the maximum size")
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_seconds) as timeout:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _reason(message)
                piece = message.get("body", b"")
                size += len(piece)
                if size > max_bytes:
                    raise BodyTooLong("Request exceeds the maximum size")
                if slot is not None and not slot.hold_now(len(piece)):
                    with _standing_still(timeout):
                        await _hold(slot, len(piece), scope, receive)
                pieces.append(piece)
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError as exc:
        raise BodyTooSlow(
            f"The request body did not arrive within {timeout_seconds:g} seconds"
        ) from exc


async def _hold(slot: Slot, size: int, scope: Scope, receive: Receive) -> None:
    """Wait for room while the client is connected."""
    try:
        async with while_connected(scope):
            await slot.hold(size)
    except ClientGone:
        raise _reason(await receive()) from None


def _reason(disconnect: Message) -> Exception:
    """Return the failure that the server names if it has ended the connection for a bad body."""
    return disconnect.get("failure") or ClientGone()


@contextmanager
def _standing_still(timeout: asyncio.Timeout) -> Iterator[None]:
    """Stop the clock of a timeout while the block runs, which succeeds or ends it."""
    loop, due = asyncio.get_running_loop(), timeout.when()
    assert due is not None
    left = due - loop.time()
    timeout.reschedule(None)
    yield
    timeout.reschedule(loop.time() + left)


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client closes its connection; then raise `ClientGone`."""
    await receive()  # after the whole body, only a disconnect can come
    raise ClientGone
