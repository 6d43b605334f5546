"""The least a Python proxy can do: raw ASGI and aiohttp, passing bytes through."""

from __future__ import annotations

import os

import aiohttp
from starlette.types import Receive, Scope, Send

_SESSIONS: list[aiohttp.ClientSession] = []
_HEADERS = {"content-type": "application/json"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    body = (await receive())["body"]
    path = "/stream" if b'"stream":true' in body else "/whole"
    url = os.environ["UPSTREAM"] + path
    async with _SESSIONS[0].post(url, data=body, headers=_HEADERS) as answer:
        headers = [(b"content-type", answer.headers["content-type"].encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for piece in answer.content.iter_any():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    _SESSIONS.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _SESSIONS[0].close()
    await send({"type": "lifespan.shutdown.complete"})
