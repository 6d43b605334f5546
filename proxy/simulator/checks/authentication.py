"""
Checks of the key, the version and the beta header, all before the body is read.

The order in which the real API checks them is not known; here the key comes first.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers

from proxy.simulator.api_errors import ApiError, invalid_request
from proxy.simulator.catalogue.betas import KNOWN_BETAS

VERSION_WITHOUT_SAMPLING: Final = "2026-10-21"
# Whether 2023-01-01 still works on /v1/messages is not known; it is published, so it does here.
PUBLISHED_VERSIONS: Final = frozenset({"2023-01-01", "2023-06-01", VERSION_WITHOUT_SAMPLING})

_BEARER: Final = "bearer "
_INVALID: Final = "invalid"  # the simulator rejects any key that contains this word


def check_key(headers: Headers) -> None:
    """
    Raise a 401 unless the request has a valid API key or bearer token.

    If both are sent, only the API key counts. The texts are recorded (messages-wire 1.1).
    """
    key = headers.get("x-api-key", "")
    if key:
        _check_credential(key, "invalid x-api-key")
        return
    authorization = headers.get("authorization", "")
    if not authorization.lower().startswith(_BEARER):
        raise ApiError(401, "x-api-key header is required")
    _check_credential(authorization[len(_BEARER) :], "Invalid bearer token")


def _check_credential(credential: str, complaint: str) -> None:
    if _INVALID in credential:
        raise ApiError(401, complaint)


def check_version(headers: Headers) -> str:
    """Return the version sent; a missing or unknown one is a 400."""
    version = read_version(headers)
    if version is None:
        raise invalid_request("anthropic-version: header is required")
    return version


def read_version(headers: Headers) -> str | None:
    """Return the version sent, or None if there is no such header; an unknown one is a 400."""
    values = headers.getlist("anthropic-version")
    if not values:
        return None
    version = ", ".join(values)  # joined, and therefore invalid, if sent twice: so recorded
    if version not in PUBLISHED_VERSIONS:
        raise invalid_request(f'anthropic-version: "{version}" is not a valid version')
    return version


def check_betas(headers: Headers) -> None:
    """Raise a 400 that names every unknown value of the beta headers."""
    asked = ",".join(headers.getlist("anthropic-beta")).split(",")
    unexpected = [name for beta in asked if (name := beta.strip()) and name not in KNOWN_BETAS]
    if unexpected:
        values = ", ".join(f"`{name}`" for name in unexpected)
        raise invalid_request(f"Unexpected value(s) {values} for the `anthropic-beta` header.")
