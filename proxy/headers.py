"""
Which headers pass, in which direction: tables, with a reason each.

On the translated leg the request that goes up is ours, so what describes the
client's own request stays behind; all else passes, as through any proxy. What
comes down is the API's answer to its caller; what the edge says of its own
connection stays behind. Names are lower-case bytes, as ASGI gives them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, TypeAlias

from proxy.errors import MissingKey

Headers: TypeAlias = list[tuple[bytes, bytes]]

HOP_BY_HOP: Final = frozenset(
    # RFC 9110, section 7.6.1, and what predates it; `expect` is answered by the server itself.
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade expect".split()
)

_OF_THE_ORIGIN: Final = frozenset(
    # What a server says of its host, not of one answer: the host that a client has asked is ours
    # (RFC 6797, 7838; Clear-Site-Data, Reporting API and Network Error Logging of the W3C).
    b"strict-transport-security alt-svc clear-site-data nel report-to reporting-endpoints".split()
)
_ORDERS: Final = frozenset(
    # What tells a server in front of an application to send a file of its own, or to ask elsewhere:
    # nginx, Apache and lighttpd, Perlbal. From upstream, our own front proxy would obey it.
    b"x-accel-redirect x-accel-expires x-accel-limit-rate x-accel-charset "
    b"x-sendfile x-lighttpd-send-file x-reproxy-url x-reproxy-file".split()
)
_NOT_UNTOUCHED: Final = HOP_BY_HOP | _OF_THE_ORIGIN | _ORDERS
_INSTEAD_OF_THE_REQUEST_LINE: Final = frozenset(
    # Some servers believe these rather than the method and the path, which are what was checked.
    b"x-original-url x-original-uri x-rewrite-url x-override-url x-forwarded-prefix "
    b"x-http-method x-http-method-override x-method-override".split()
)
_OURS: Final = b"holdover-"  # said between us and a client: from others it would be taken for ours
_OF_AWS: Final = b"x-amz-"  # a signature's other half, or a session's token: good for no other host

_OF_A_FRONT: Final = frozenset(
    # Who has signed in at a proxy in front of us, as that proxy says: tokens for it and for us.
    b"x-forwarded-access-token x-forwarded-authorization x-auth-request-access-token "
    b"x-amzn-oidc-accesstoken x-amzn-oidc-data x-amzn-oidc-identity cf-access-jwt-assertion "
    b"x-goog-iap-jwt-assertion x-ms-token-aad-access-token x-ms-token-aad-id-token".split()
)
CREDENTIALS: Final = frozenset(b"x-api-key authorization api-key x-goog-api-key".split())
"""Those of other clouds are here so that none goes beside the one that is used."""
_ADDRESS: Final = frozenset({b"host"})

_OF_THE_LEGACY_REQUEST: Final = CREDENTIALS | frozenset(
    # what is replaced: address, body, version
    b"host content-length content-type content-encoding accept accept-encoding "
    b"anthropic-version anthropic-beta "
    # who speaks: the SDK did not write the request that goes up
    b"user-agent client anthropic-sdk cookie".split()
)
_STAINLESS: Final = b"x-stainless-"  # SDK telemetry: retry counts and timeouts of another request
_NOT_PASSED_UP: Final = (
    _NOT_UNTOUCHED | _OF_THE_LEGACY_REQUEST | _INSTEAD_OF_THE_REQUEST_LINE | _OF_A_FRONT
)
_NOT_FORWARDED_UP: Final = _NOT_UNTOUCHED | _ADDRESS | _INSTEAD_OF_THE_REQUEST_LINE | _OF_A_FRONT
_FAMILIES_NOT_PASSED_UP: Final = (_OURS, _OF_AWS, _STAINLESS)

_FOR_THE_CALLER: Final = frozenset(b"request-id retry-after retry-after-ms x-should-retry".split())
_FAMILIES_FOR_THE_CALLER: Final = (b"anthropic-", b"access-control-")


_NOT_FOR_UPSTREAM: Final = (
    "authorization: only a Bearer token is sent on to the upstream; Basic, AWS signatures and the "
    "like end here. Send an API key as x-api-key, or as Authorization: Bearer."
)


def first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The value of a header; None if it is not there."""
    for key, value in headers:  # a generator for `next` takes three times as long
        if key == name:
            return value
    return None


def joined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """All values of a header as one, the way the API reads them; None if it is not there."""
    values = [value for key, value in headers if key == name]
    return b", ".join(values).decode("latin-1") if values else None


def retry_after(headers: Headers) -> float | None:
    """For how many seconds upstream wants to be left alone; None: it does not say."""
    for name, unit in ((b"retry-after-ms", 1000), (b"retry-after", 1)):
        with suppress(ValueError):  # a date, say
            seconds = float(first(headers, name) or b"nan") / unit
            if 0 <= seconds < math.inf:
                return seconds
    return None


def bearer_token(authorization: bytes) -> bytes | None:
    """The token in such a header; None: it is of another scheme, or there is none."""
    scheme, _, token = authorization.strip().partition(b" ")
    token = token.strip()
    # Whatever comes after a space would be another credential (RFC 6750, section 2.1).
    return token if scheme.lower() == b"bearer" and len(token.split()) == 1 else None


def passed_up(headers: Headers) -> Headers:
    """What of a legacy request's headers goes with the translated one."""
    return _rest(headers, _NOT_PASSED_UP, _FAMILIES_NOT_PASSED_UP)


def forwarded_up(headers: Headers, instead: Headers | None) -> Headers:
    """
    What of a forwarded request's headers goes on; with these credentials in place of its own.

    Only a key or a bearer token is a credential that upstream may see; raises
    `MissingKey` where the client has given others alone.
    """
    passing = _rest(headers, _NOT_FORWARDED_UP, (_OURS, _OF_AWS))
    given = [(name, value) for name, value in passing if spelled(name) in CREDENTIALS]
    rest = [(name, value) for name, value in passing if spelled(name) not in CREDENTIALS]
    if instead is not None:  # a cookie may say who somebody is, too
        return [*(header for header in rest if header[0] != b"cookie"), *instead]
    fit = [(name, value) for name, value in given if _is_for_upstream(name, value)]
    if given and not fit:
        raise MissingKey(_NOT_FOR_UPSTREAM)
    return rest + fit


def _is_for_upstream(name: bytes, value: bytes) -> bool:
    return spelled(name) != b"authorization" or bearer_token(value) is not None


def passed_down(headers: Headers) -> Headers:
    """What of a Messages answer's headers goes with the translated one."""
    return [
        (name, value)
        for name, value in headers
        if name in _FOR_THE_CALLER or name.startswith(_FAMILIES_FOR_THE_CALLER)
    ]


def end_to_end(headers: Headers, *, without: frozenset[bytes] = frozenset()) -> Headers:
    """All headers but those of one connection, of one host, and ours: what passes untouched."""
    return _rest(headers, _NOT_UNTOUCHED | without, (_OURS,))


def _rest(headers: Headers, dropped: frozenset[bytes], families: tuple[bytes, ...]) -> Headers:
    """All but these, and what the headers themselves say is for one connection only."""
    for name, value in headers:
        if name == b"connection":
            dropped |= {spelled(option.strip().lower()) for option in value.split(b",")}
    return [
        (name, value)
        for name, value in headers
        if (plain := spelled(name)) not in dropped and not plain.startswith(families)
    ]


def spelled(name: bytes) -> bytes:
    """A name as CGI and WSGI make one of it, to whom `_` and `-` are the same."""
    return name.replace(b"_", b"-")
