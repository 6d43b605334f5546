"""HTTP in, HTTP out, no policy: raw ASGI, so that nothing stands between a frame and its socket."""

from proxy.endpoints.admin import admin_routes
from proxy.endpoints.complete import CompleteEndpoint
from proxy.endpoints.forward import ForwardEndpoint
from proxy.endpoints.paths import is_completion_path, without_prefix
from proxy.endpoints.probes import healthz, readyz

__all__ = [
    "CompleteEndpoint",
    "ForwardEndpoint",
    "admin_routes",
    "healthz",
    "is_completion_path",
    "readyz",
    "without_prefix",
]
