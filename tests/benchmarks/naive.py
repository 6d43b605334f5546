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
_PATH = "/v1/messages"


async def complete(request: Request) -> Response:
    body = await request.body()
    accept = request.headers["accept"]
    headers = {"content-type": "application/json", "accept": accept}
    if accept == "application/json":
        answer = await _CLIENT.post(_PATH, content=body, headers=headers)
        return Response(answer.content, answer.status_code, media_type="application/json")
    sent = _CLIENT.build_request("POST", _PATH, content=body, headers=headers)
    return StreamingResponse(_pieces(sent), media_type="text/event-stream")


async def _pieces(sent: httpx.Request) -> AsyncIterator[bytes]:
    answer = await _CLIENT.send(sent, stream=True)
    async for piece in answer.aiter_raw():
        yield piece
    await answer.aclose()


app = Starlette(routes=[Route("/v1/complete", complete, methods=["POST"])])
