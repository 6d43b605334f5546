"""The simulator as one application: the API, and two pages of its own under `/simulator`."""

from __future__ import annotations

import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from proxy.simulator.api import Api
from proxy.simulator.request_context import SimulatorConfig
from proxy.simulator.request_log import RequestLog


def create_simulator(
    *,
    today: datetime.date | None = None,
    ping_after_start: bool = True,
    strict_alternation: bool = False,
    legacy_models_alive: bool = False,
) -> Starlette:
    """
    Return an ASGI application that answers like the API on a given day.

    `today` decides which models are retired (default: the current day, UTC).
    `ping_after_start` sends a ping after the first `content_block_start` of each stream.
    `strict_alternation` refuses consecutive turns of one role, as partner clouds may.
    `legacy_models_alive` makes `/v1/complete` answer as it did until July 2025.
    """
    request_log = RequestLog()
    config = SimulatorConfig(
        today=today or datetime.datetime.now(tz=datetime.UTC).date(),
        ping_after_start=ping_after_start,
        strict_alternation=strict_alternation,
        legacy_models_alive=legacy_models_alive,
    )

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            request_log.clear()
            return Response(status_code=204)
        return JSONResponse(request_log.describe())

    return Starlette(
        routes=[
            Route("/simulator/health", health, methods=["GET"]),
            Route("/simulator/requests", requests, methods=["GET", "DELETE"]),
            Mount("", app=Api(config, request_log)),
        ]
    )
