"""Health probes and metrics: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from proxy.config.reload import ConfigReloader
from proxy.endpoints.own_answers import METHODS, restrict_methods
from proxy.observability.metrics import CONTENT_TYPE, Metrics
from proxy.traffic.status import Recording
from proxy.workers.guards import Guards
from proxy.workers.key_health import KeyHealth


def probe_routes(
    reloader: ConfigReloader,
    guards: Guards,
    keys: KeyHealth,
    metrics: Metrics,
    recording: Recording | None,
) -> list[Route]:
    """Return the routes to `/healthz`, `/readyz` and `/metrics`."""

    async def healthz(_: Request) -> JSONResponse:
        # The event loop answers, so the process is alive.
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> JSONResponse:
        # Requests are served only between start-up and shutdown, so being asked means ready.
        version, override = reloader.version, reloader.config.rollout.override
        return JSONResponse(
            {
                "status": "ready",
                "settings": {
                    "version": version.digest,
                    "loaded": version.loaded.isoformat(timespec="seconds"),
                    "problem": version.problem,
                    "waiting_for_restart": version.waiting,
                },
                "rules": len(reloader.config.rollout.rules),
                "override": override.action if override else None,
                "tripped": {
                    trip.rule: {"since": trip.since, "reason": trip.reason}
                    for trip in guards.trips.values()
                    if trip.rule in guards.tripped
                },
                "state_is_shared": guards.shared_state.is_usable,
                "refused_keys": msgspec.to_builtins(keys.problems(reloader.config.keyring)),
                "evidence": recording and msgspec.to_builtins(recording.state),
            }
        )

    async def metrics_page(_: Request) -> Response:
        state = recording.state if recording else None
        return Response(metrics.as_text(state), media_type=CONTENT_TYPE)

    pages = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics_page}
    return [
        Route(path, restrict_methods(page, "GET", "HEAD"), methods=METHODS)
        for path, page in pages.items()
    ]
