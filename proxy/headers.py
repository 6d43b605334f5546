"""
Tables of the headers that pass in each direction, with the reasons.

A translated request is a new request, so headers that describe the client's own
request are dropped; all others pass, as through any proxy. On the way back only
headers that the API addresses to its caller pass, not those that describe the
upstream's connection. Names are lower-case bytes, as ASGI gives them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, TypeAlias

from proxy.errors import MissingKey

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
_NEVER_FORWARDED: Final = HOP_BY_HOP | _HOST_POLICY | _PROXY_COMMANDS
_REQUEST_LINE_OVERRIDES: Final = frozenset(
    # Some servers use these in place of the method and path, which are what Holdover has checked.
    b"x-original-url x-original-uri x-rewrite-url x-override-url x-forwarded-prefix "
    b"x-http-method x-http-method-override x-method-override".split()
)
_OWN_PREFIX: Final = b"holdover-"  # reserved for Holdover's own headers
_AWS_PREFIX: Final = b"x-amz-"  # parts of an AWS signature: valid for one host only

_SIGN_IN_TOKENS: Final = frozenset(
    # Tokens of users who signed in at a proxy in front of Holdover; not meant for the upstream.
    b"x-forwarded-access-token x-forwarded-authorization x-auth-request-access-token "
    b"x-amzn-oidc-accesstoken x-amzn-oidc-data x-amzn-oidc-identity cf-access-jwt-assertion "
    b"x-goog-iap-jwt-assertion x-ms-token-aad-access-token x-ms-token-aad-id-token".split()
)
CREDENTIALS: Final = frozenset(b"x-api-key authorization api-key x-goog-api-key".split())
"""Headers that carry credentials, also for other clouds, so that only the chosen one is sent."""
_ADDRESS: Final = frozenset({b"host"})

_LEGACY_REQUEST_HEADERS: Final = CREDENTIALS | frozenset(
    # replaced in the new request: address, body, version
    b"host content-length content-type content-encoding accept accept-encoding "
    b"anthropic-version anthropic-beta "
    # describe the client's SDK, which did not write the new request
    b"user-agent client anthropic-sdk cookie".split()
)
_SDK_PREFIX: Final = b"x-stainless-"  # SDK telemetry about the client's own request
_NOT_PASSED_UP: Final = (
    _NEVER_FORWARDED | _LEGACY_REQUEST_HEADERS | _REQUEST_LINE_OVERRIDES | _SIGN_IN_TOKENS
)
_NOT_FORWARDED_UP: Final = _NEVER_FORWARDED | _ADDRESS | _REQUEST_LINE_OVERRIDES | _SIGN_IN_TOKENS
_PREFIXES_NOT_PASSED_UP: Final = (_OWN_PREFIX, _AWS_PREFIX, _SDK_PREFIX)

_FOR_THE_CALLER: Final = frozenset(b"request-id retry-after retry-after-ms x-should-retry".split())
_PREFIXES_FOR_THE_CALLER: Final = (b"anthropic-", b"access-control-")


_NOT_FOR_UPSTREAM: Final = (
    "authorization: Holdover forwards only Bearer tokens to the upstream, not Basic credentials or "
    "AWS signatures. Send an API key as x-api-key, or as Authorization: Bearer."
)


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


def retry_after(headers: Headers) -> float | None:
    """Return the seconds to wait before a retry, or None if the upstream gives no number."""
    for name, unit in ((b"retry-after-ms", 1000), (b"retry-after", 1)):
        with suppress(ValueError):  # a date, say
            seconds = float(first(headers, name) or b"nan") / unit
            if 0 <= seconds < math.inf:
                return seconds
    return None


def bearer_token(authorization: bytes) -> bytes | None:
    """Return the token of a Bearer header; None if the scheme differs or there is no token."""
    scheme, _, token = authorization.strip().partition(b" ")
    token = token.strip()
    # A token has no spaces (RFC 6750, section 2.1): more words might be a second credential.
    return token if scheme.lower() == b"bearer" and len(token.split()) == 1 else None


def passed_up(headers: Headers) -> Headers:
    """Return the headers of a legacy request that its translation keeps."""
    return _without(headers, _NOT_PASSED_UP, _PREFIXES_NOT_PASSED_UP)


def forwarded_up(headers: Headers, instead: Headers | None) -> Headers:
    """
    Return the headers of a forwarded request, with `instead` in place of its credentials.

    The upstream may see only API keys and bearer tokens. Raises `MissingKey` if the
    client has sent credentials of other kinds only.
    """
    passing = _without(headers, _NOT_FORWARDED_UP, (_OWN_PREFIX, _AWS_PREFIX))
    given = [(name, value) for name, value in passing if spelled(name) in CREDENTIALS]
    rest = [(name, value) for name, value in passing if spelled(name) not in CREDENTIALS]
    if instead is not None:  # a cookie may be a credential, too
        return [*(header for header in rest if header[0] != b"cookie"), *instead]
    fit = [(name, value) for name, value in given if _is_for_upstream(name, value)]
    if given and not fit:
        raise MissingKey(_NOT_FOR_UPSTREAM)
    return rest + fit


def _is_for_upstream(name: bytes, value: bytes) -> bool:
    return spelled(name) != b"authorization" or bearer_token(value) is not None


def passed_down(headers: Headers) -> Headers:
    """Return the headers of a Messages response that its translation keeps."""
    return [
        (name, value)
        for name, value in headers
        if name in _FOR_THE_CALLER or name.startswith(_PREFIXES_FOR_THE_CALLER)
    ]


def end_to_end(headers: Headers, *, without: frozenset[bytes] = frozenset()) -> Headers:
    """Return the end-to-end headers: drop those of a connection or host, and Holdover's own."""
    return _without(headers, _NEVER_FORWARDED | without, (_OWN_PREFIX,))


def _without(headers: Headers, dropped: frozenset[bytes], prefixes: tuple[bytes, ...]) -> Headers:
    """Drop the given names and prefixes, and every name that `connection` lists."""
    for name, value in headers:
        if name == b"connection":
            dropped |= {spelled(option.strip().lower()) for option in value.split(b",")}
    return [
        (name, value)
        for name, value in headers
        if (plain := spelled(name)) not in dropped and not plain.startswith(prefixes)
    ]


def spelled(name: bytes) -> bytes:
    """Return a name with `-` for `_`: CGI and WSGI do not distinguish the two."""
    return name.replace(b"_", b"-")
