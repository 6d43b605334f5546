"""The least a Python proxy can do: raw ASGI and aiohttp, passing bytes through."""

from __future__ import annotations

import os

import aiohttp
from starlette.types import Receive, Scope, Send

_SESSIONS: list[aiohttp.ClientSession] = []
_URL = os.environ["UPSTREAM"] + "/v1/messages"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["path"] == "/healthz":
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
        )
        await send({"type": "http.response.body", "body": b""})
        return
    accept = next(text for name, text in scope["headers"] if name == b"accept").decode()
    headers = {"content-type": "application/json", "accept": accept}
    async with _SESSIONS[0].post(_URL, data=await _body(receive), headers=headers) as answer:
        started = [(b"content-type", answer.headers["content-type"].encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": started})
        async for piece in answer.content.iter_any():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes:
    pieces = []
    while True:
        message = await receive()
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    connector = aiohttp.TCPConnector(limit=0)
    _SESSIONS.append(aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout()))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _SESSIONS[0].close()
    await send({"type": "lifespan.shutdown.complete"})
