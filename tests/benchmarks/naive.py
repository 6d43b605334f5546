"""What one writes first: Starlette and httpx, passing bytes through without looking at them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

_CLIENT = httpx.AsyncClient(base_url=os.environ["UPSTREAM"], timeout=60)
_HEADERS = {"content-type": "application/json"}


async def complete(request: Request) -> Response:
    body = await request.body()
    if b'"stream":true' not in body:
        answer = await _CLIENT.post("/whole", content=body, headers=_HEADERS)
        return Response(answer.content, answer.status_code, media_type="application/json")
    sent = _CLIENT.build_request("POST", "/stream", content=body, headers=_HEADERS)
    return StreamingResponse(_pieces(sent), media_type="text/event-stream")


async def _pieces(sent: httpx.Request) -> AsyncIterator[bytes]:
    answer = await _CLIENT.send(sent, stream=True)
    async for piece in answer.aiter_raw():
        yield piece
    await answer.aclose()


app = Starlette(routes=[Route("/v1/complete", complete, methods=["POST"])])
