"""
Tables of the headers that pass from an upstream to the client, and how headers are read.

Of a translated answer only headers that the API addresses to its caller pass, not those that
describe the upstream's connection. Names are lower-case bytes, as ASGI gives them. The headers
of requests have a table of their own, `proxy.upstream.request_headers`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Final, TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]

HOP_BY_HOP: Final = frozenset(
    # RFC 9110, section 7.6.1, and older names; the server itself answers `expect`.
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade expect".split()
)

_HOST_POLICY: Final = frozenset(
    # Statements about a whole host. The client asked Holdover's host, not the upstream's
    # (RFC 6797, 7838; Clear-Site-Data, Reporting API and Network Error Logging of the W3C).
    b"strict-transport-security alt-svc clear-site-data nel report-to reporting-endpoints".split()
)
_PROXY_COMMANDS: Final = frozenset(
    # Commands to a reverse proxy (nginx, Apache, lighttpd, Perlbal) to send a local file or to
    # fetch another URL. The proxy in front of Holdover would obey them if the upstream sent them.
    b"x-accel-redirect x-accel-expires x-accel-limit-rate x-accel-charset "
    b"x-sendfile x-lighttpd-send-file x-reproxy-url x-reproxy-file".split()
)
NEVER_FORWARDED: Final = HOP_BY_HOP | _HOST_POLICY | _PROXY_COMMANDS
"""Headers that pass in neither direction."""
OWN_PREFIX: Final = b"holdover-"
"""Prefix of Holdover's own headers, which clients and upstreams may not set."""

CREDENTIALS: Final = frozenset(b"x-api-key authorization api-key x-goog-api-key".split())
"""Headers that carry credentials, also for other clouds, so that only the chosen one is sent."""

BROWSER_SIGN: Final = b"anthropic-dangerous-direct-browser-access"
"""Header by which a page asks the API itself, with a key that its reader can see."""
PREFLIGHT_SIGN: Final = b"access-control-request-method"
"""Header by which a browser asks first whether the page may send such a request."""
SET_BY_HOLDOVER: Final = frozenset(
    b"host content-length content-type content-encoding accept accept-encoding user-agent "
    b"anthropic-version anthropic-beta".split()
)
"""Headers of a translated request that say something of its address, body and version."""

_FOR_THE_CALLER: Final = frozenset(b"request-id retry-after retry-after-ms x-should-retry".split())
_PREFIXES_FOR_THE_CALLER: Final = (b"anthropic-", b"access-control-")


def first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the first value of a header, or None if it is missing."""
    for key, value in headers:  # a generator for `next` takes three times as long
        if key == name:
            return value
    return None


def joined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Return all values of a header joined by commas, or None if it is missing."""
    values = [value for key, value in headers if key == name]
    return b", ".join(values).decode("latin-1") if values else None


def declared_length(headers: Headers) -> int:
    """Return the `content-length`; 0 if there is none, or none that is a number."""
    declared = first(headers, b"content-length")
    return int(declared) if declared is not None and declared.isdigit() else 0


def retry_after(headers: Headers) -> float | None:
    """Return the seconds to wait before a retry, or None if the upstream gives no number."""
    for name, unit in ((b"retry-after-ms", 1000), (b"retry-after", 1)):
        with suppress(ValueError):  # a date, say
            seconds = float(first(headers, name) or b"nan") / unit
            if 0 <= seconds < math.inf:
                return seconds
    return None


def headers_for_a_page(request_headers: Headers) -> Headers:
    """
    Return the CORS headers of an answer of ours, for a page that asks the API itself.

    Such a request has an origin and says that it comes from a browser; upstream, which gets
    neither, cannot allow its page to read the answer.
    """
    origin = first(request_headers, b"origin")
    if not origin or first(request_headers, BROWSER_SIGN) is None:
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"origin"),
    ]


def is_preflight(method: str, headers: Headers) -> bool:
    """Return True if a browser asks whether a page may send a request (Fetch, section 4.8)."""
    return (
        method == "OPTIONS"
        and first(headers, b"origin") is not None
        and first(headers, PREFLIGHT_SIGN) is not None
    )


def preflight_headers(request_headers: Headers) -> Headers:
    """
    Return the headers that allow the request which a preflight is about.

    There are none if its page could not read the answer: see `headers_for_a_page`.
    """
    wanted = joined(request_headers, b"access-control-request-headers") or ""
    if BROWSER_SIGN.decode() not in {name.strip().lower() for name in wanted.split(",")}:
        return []
    return [
        *headers_for_a_page([*request_headers, (BROWSER_SIGN, b"true")]),
        (b"access-control-allow-methods", first(request_headers, PREFLIGHT_SIGN) or b""),
        (b"access-control-allow-headers", wanted.encode("latin-1")),
        (b"access-control-max-age", b"600"),
    ]


def date_header() -> tuple[bytes, bytes]:
    """Return the `date` of an answer that is written now (RFC 9110, section 6.6.1)."""
    return (b"date", _date(int(time.time())))


@lru_cache(1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode("ascii")


def bearer_token(authorization: bytes) -> bytes | None:
    """Return the token of a Bearer header; None if the scheme differs or there is no token."""
    scheme, _, token = authorization.strip().partition(b" ")
    token = token.strip()
    # A token has no spaces (RFC 6750, section 2.1): more words might be a second credential.
    return token if scheme.lower() == b"bearer" and len(token.split()) == 1 else None


def passed_down(headers: Headers) -> Headers:
    """Return the headers of a Messages response that its translation keeps."""
    return [
        (name, value)
        for name, value in headers
        if name in _FOR_THE_CALLER or name.startswith(_PREFIXES_FOR_THE_CALLER)
    ]


def end_to_end(headers: Headers, *, without: frozenset[bytes] = frozenset()) -> Headers:
    """Return the end-to-end headers: drop those of a connection or host, and Holdover's own."""
    dropped = NEVER_FORWARDED | without | connection_options(headers)
    return [
        (name, value)
        for name, value in headers
        if (plain := spelled(name)) not in dropped and not plain.startswith(OWN_PREFIX)
    ]


def connection_options(headers: Headers) -> frozenset[bytes]:
    """Return the names that `connection` lists, and that belong to this connection only."""
    return frozenset(
        spelled(option.strip().lower())
        for name, value in headers
        if name == b"connection"
        for option in value.split(b",")
    )


def spelled(name: bytes) -> bytes:
    """Return a name with `-` for `_`: CGI and WSGI do not distinguish the two."""
    return name.replace(b"_", b"-")
