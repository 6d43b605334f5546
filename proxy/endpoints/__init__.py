"""HTTP in, HTTP out, no policy: raw ASGI, so that nothing stands between a frame and its socket."""

from proxy.endpoints.admin import admin_routes
from proxy.endpoints.complete import CompleteEndpoint
from proxy.endpoints.forward import ForwardEndpoint
from proxy.endpoints.paths import is_completion_path, without_prefix
from proxy.endpoints.probes import probe_routes

__all__ = [
    "CompleteEndpoint",
    "ForwardEndpoint",
    "admin_routes",
    "is_completion_path",
    "probe_routes",
    "without_prefix",
]
