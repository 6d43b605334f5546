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

from proxy.failures import MissingKey
from proxy.redaction import Unshown

Headers: TypeAlias = list[tuple[bytes, bytes]]

HOP_BY_HOP: Final = frozenset(
    # RFC 9110, section 7.6.1, and what predates it; `expect` is answered by the server itself.
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade expect".split()
)

_OF_THE_LEGACY_REQUEST: Final = frozenset(
    # what is replaced: address, body, credentials, version
    b"host content-length content-type content-encoding accept accept-encoding "
    b"x-api-key authorization anthropic-version anthropic-beta "
    # who speaks: the SDK did not write the request that goes up
    b"user-agent client anthropic-sdk cookie".split()
)
_NOT_PASSED_UP: Final = HOP_BY_HOP | _OF_THE_LEGACY_REQUEST
_STAINLESS: Final = b"x-stainless-"  # SDK telemetry: retry counts and timeouts of another request

_CREDENTIALS: Final = frozenset({b"x-api-key", b"authorization"})
_ADDRESS: Final = frozenset({b"host"})

_FOR_THE_CALLER: Final = frozenset(b"request-id retry-after retry-after-ms x-should-retry".split())
_FAMILIES_FOR_THE_CALLER: Final = (b"anthropic-", b"access-control-")


class Credential(Unshown, frozen=True):
    """The one credential of a request, as the header it came in."""

    name: bytes
    value: bytes
    secret: bytes
    """The bare key or token."""


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


def secrets_in(headers: Headers) -> list[bytes]:
    """All that may be a key, whichever of them is used."""
    secrets: list[bytes] = []
    for name, value in headers:
        if name in _CREDENTIALS:
            secrets.append(value.strip())
            if name == b"authorization":
                secrets.append(value.strip().partition(b" ")[2].strip())
    return secrets


def find_credential(headers: Headers) -> Credential:
    """
    The one credential to use; `MissingKey` if there is none.

    Where both are sent, the API key wins (messages-wire 1.1). An empty one
    counts as not sent.
    """
    if key := (first(headers, b"x-api-key") or b"").strip():
        return Credential(b"x-api-key", key, key)
    scheme, _, token = (first(headers, b"authorization") or b"").strip().partition(b" ")
    if scheme.lower() == b"bearer" and (token := token.strip()):
        return Credential(b"authorization", b"Bearer " + token, token)
    raise MissingKey("x-api-key header is required")


def passed_up(headers: Headers) -> Headers:
    """What of a legacy request's headers goes with the translated one."""
    dropped = _dropped_with(headers, _NOT_PASSED_UP)
    return [
        (name, value)
        for name, value in headers
        if name not in dropped and not name.startswith(_STAINLESS)
    ]


def forwarded_up(headers: Headers, instead: Credential | None) -> Headers:
    """All of a forwarded request's headers; with another credential, if one is used instead."""
    if instead is None:
        return end_to_end(headers, without=_ADDRESS)
    rest = end_to_end(headers, without=_ADDRESS | _CREDENTIALS)
    return [*rest, (instead.name, instead.value)]


def passed_down(headers: Headers) -> Headers:
    """What of a Messages answer's headers goes with the translated one."""
    return [
        (name, value)
        for name, value in headers
        if name in _FOR_THE_CALLER or name.startswith(_FAMILIES_FOR_THE_CALLER)
    ]


def end_to_end(headers: Headers, *, without: frozenset[bytes] = frozenset()) -> Headers:
    """All headers but those of one connection: what an untouched message keeps."""
    dropped = _dropped_with(headers, HOP_BY_HOP | without)
    return [(name, value) for name, value in headers if name not in dropped]


def _dropped_with(headers: Headers, dropped: frozenset[bytes]) -> frozenset[bytes]:
    """These, and what the headers themselves say is for one connection only."""
    named = [value for name, value in headers if name == b"connection"]
    if not named:
        return dropped
    return dropped | {option.strip().lower() for option in b",".join(named).split(b",")}
