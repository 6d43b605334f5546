"""
Response headers: those of the API, and those of the edge (CDN) in front of it.

A proxy must not forward the headers of the edge (messages-wire 2, the table of
response headers); they are sent so that tests notice if it does.
"""

from __future__ import annotations

import datetime

from proxy.simulator.faults.fault_headers import SimulateOptions
from proxy.simulator.replies import Reply, StreamedReply

_ORGANIZATION = "5d1c7a52-8f0e-4c7b-9a64-2f8f3b0c9e11"
_WORKSPACE = "wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ"
_RATE_LIMITS = {
    "requests": 4_000,
    "tokens": 480_000,
    "input-tokens": 400_000,
    "output-tokens": 80_000,
}
_OVERLOADED = 529

_EDGE_HEADERS = (
    ("server", "cloudflare"),
    ("cf-ray", "99d3f1a2be7c1d2e-FRA"),
    ("cf-cache-status", "DYNAMIC"),
    ("via", "1.1 google"),
    ("x-robots-tag", "none"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("server-timing", "x-originResponse;dur=412"),
    ("x-envoy-upstream-service-time", "411"),
    ("vary", "Accept-Encoding"),
    ("set-cookie", "_cfuvid=simulated; path=/; HttpOnly; Secure; SameSite=None"),
)


def response_headers(
    reply: Reply, options: SimulateOptions, *, request_id: str, today: datetime.date
) -> list[tuple[str, str]]:
    if isinstance(reply, StreamedReply):
        content_type = options.content_type or "text/event-stream; charset=utf-8"
        headers = [("content-type", content_type), ("cache-control", "no-cache"), *_EDGE_HEADERS]
    else:
        headers = [("content-type", options.content_type or reply.content_type), *_EDGE_HEADERS]
    if isinstance(reply, StreamedReply) or reply.is_from_api:
        headers += [
            ("request-id", request_id),
            ("anthropic-organization-id", _ORGANIZATION),
            ("anthropic-workspace-id", _WORKSPACE),
        ]
        for name, limit in _RATE_LIMITS.items():
            prefix = f"anthropic-ratelimit-{name}"
            headers += [
                (f"{prefix}-limit", str(limit)),
                (f"{prefix}-remaining", str(limit - 1)),
                (f"{prefix}-reset", f"{today.isoformat()}T00:01:00Z"),
            ]
    if options.retry_after is not None:
        headers.append(("retry-after", options.retry_after))
    if options.should_retry is not None:
        headers.append(("x-should-retry", "true" if options.should_retry else "false"))
    elif not isinstance(reply, StreamedReply) and reply.status == _OVERLOADED:
        headers.append(("x-should-retry", "true"))  # recorded (messages-wire 2)
    return headers
