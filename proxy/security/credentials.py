"""The credentials of a request: which of them is used, and which may be secrets."""

from __future__ import annotations

from typing import Final

from proxy.errors import MissingKey
from proxy.headers import CREDENTIALS, Headers, bearer_token, first, spelled
from proxy.security.redaction import HiddenRepr

_NOT_SHOWN: Final = CREDENTIALS | {b"proxy-authorization", b"x-amz-security-token"}


class Credential(HiddenRepr, frozen=True):
    """The one credential of a request, as the header it came in."""

    name: bytes
    value: bytes
    secret: bytes
    """The bare key or token; empty: there is none."""

    @property
    def fields(self) -> Headers:
        """As it stands among headers."""
        return [(self.name, self.value)] if self.secret else []


def secrets_in(headers: Headers) -> list[bytes]:
    """All that may be a key, whichever of them is used."""
    secrets: list[bytes] = []
    for name, value in headers:
        if spelled(name) in _NOT_SHOWN:
            secrets += value.strip(), value.strip().partition(b" ")[2].strip()
    return secrets


def find_credential(headers: Headers) -> Credential:
    """
    The one credential to use; `MissingKey` if there is none.

    Where both are sent, the API key wins (messages-wire 1.1). An empty one
    counts as not sent.
    """
    if key := (first(headers, b"x-api-key") or b"").strip():
        return Credential(b"x-api-key", key, key)
    if token := bearer_token(first(headers, b"authorization") or b""):
        return Credential(b"authorization", b"Bearer " + token, token)
    raise MissingKey("x-api-key header is required")
