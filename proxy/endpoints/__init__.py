"""ASGI applications that turn HTTP requests into exchanges and responses; no policy in here."""

from proxy.endpoints.admin import admin_pages, admin_routes
from proxy.endpoints.admin_token import AdminToken
from proxy.endpoints.completions import CompleteEndpoint
from proxy.endpoints.front import Front
from proxy.endpoints.health import HealthPages
from proxy.endpoints.own_answers import not_found
from proxy.endpoints.passthrough import ForwardEndpoint

__all__ = [
    "AdminToken",
    "CompleteEndpoint",
    "ForwardEndpoint",
    "Front",
    "HealthPages",
    "admin_pages",
    "admin_routes",
    "not_found",
]
