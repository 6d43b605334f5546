"""The credential that a request uses, and all header values that may be secrets."""

from __future__ import annotations

from typing import Final

from proxy.errors import MissingKey
from proxy.headers import CREDENTIALS, Headers, bearer_token, first, spelled
from proxy.security.redaction import HiddenRepr

_NOT_SHOWN: Final = CREDENTIALS | {b"proxy-authorization", b"x-amz-security-token"}


class Credential(HiddenRepr, frozen=True):
    """The credential that a request uses, and the header that carries it."""

    name: bytes
    value: bytes
    secret: bytes
    """Bare key or token; empty if there is no credential."""

    @property
    def fields(self) -> Headers:
        """Headers to send: one with the credential, or none."""
        return [(self.name, self.value)] if self.secret else []


def secrets_in(headers: Headers) -> list[bytes]:
    """Return every header value that may be a secret, whether or not it is used."""
    secrets: list[bytes] = []
    for name, value in headers:
        if spelled(name) in _NOT_SHOWN:
            secrets += value.strip(), value.strip().partition(b" ")[2].strip()
    return secrets


def find_credential(headers: Headers) -> Credential:
    """
    Return the credential to use; raises `MissingKey` if there is none.

    An API key takes precedence over a bearer token (messages-wire 1.1). An empty
    header counts as not sent.
    """
    if key := (first(headers, b"x-api-key") or b"").strip():
        return Credential(b"x-api-key", key, key)
    if token := bearer_token(first(headers, b"authorization") or b""):
        return Credential(b"authorization", b"Bearer " + token, token)
    raise MissingKey("x-api-key header is required")
