"""Whether the process is alive, and whether it may be sent traffic."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse


async def healthz(_: Request) -> JSONResponse:
    """Alive: the event loop answers."""
    return JSONResponse({"status": "alive"})


async def readyz(_: Request) -> JSONResponse:
    """Ready: it is served only between start-up and shutdown, so being asked is the answer."""
    return JSONResponse({"status": "ready"})
