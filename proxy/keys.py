"""
Who is calling, and with which key upstream is asked on their behalf.

A client's key is passed through unless the operator holds one. Tokens that
stand for upstream keys are known by their SHA-256 alone: they are random and
long, so there is nothing to guess, and the file that lists them gives nobody
access.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from proxy.failures import MissingKey, UnknownKey
from proxy.headers import Credential, Headers, find_credential
from proxy.redaction import CallerDigest, Digester, Unshown

_NOBODY: Final = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCaller:
    """One entry of the operator's list."""

    name: str
    token_hash: str
    """SHA-256 of what the client sends, in hex."""
    upstream_key: bytes | None = field(repr=False)
    """None: the server's key, or else the client's own."""


class Caller(Unshown, frozen=True, kw_only=True):
    """Who sent a request."""

    name: str | None
    digest: CallerDigest
    """Of the key the client sends."""
    key: CallerDigest
    """Of the key that upstream is asked with."""
    identity: bytes
    """What stays the same for this caller: the name, or else the key."""
    credential: Credential
    """With what upstream is asked."""
    instead: Credential | None
    """The same, where it is not the one that the client sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Whose key is whose; `identify` is all there is to ask it."""

    digester: Digester
    known: tuple[KnownCaller, ...] = ()
    upstream_key: bytes | None = field(default=None, repr=False)

    @property
    def refuses_strangers(self) -> bool:
        """Whether a key that is not listed is turned away: as soon as there is one of ours."""
        return bool(self.known) and self.holds_keys

    @property
    def holds_keys(self) -> bool:
        """Whether any request is made with another key than the client's."""
        keys = (self.upstream_key, *(known.upstream_key for known in self.known))
        return any(key is not None for key in keys)

    def identify(self, headers: Headers) -> Caller:
        """The one who sent these; `MissingKey` or `UnknownKey` where nobody may ask like that."""
        given = self._given(headers)
        known = self._find(given.secret)
        if known is None and self.refuses_strangers:
            raise UnknownKey("invalid x-api-key")
        key = (known.upstream_key if known else None) or self.upstream_key
        instead = Credential(b"x-api-key", key, key) if key is not None else None
        digest = self.digester.caller(given.secret)
        return Caller(
            name=known.name if known else None,
            digest=digest,
            key=digest if key is None else self.digester.caller(key),
            identity=known.name.encode() if known else given.secret,
            credential=instead or given,
            instead=instead,
        )

    def instead_of(self, headers: Headers) -> Credential | None:
        """The key to use instead of the client's; None: its own, if any. Raises as `identify`."""
        return self.identify(headers).instead if self.holds_keys else None

    def _given(self, headers: Headers) -> Credential:
        try:
            return find_credential(headers)
        except MissingKey:
            if self.upstream_key is None or self.known:
                raise
            return Credential(b"x-api-key", _NOBODY, _NOBODY)  # the server's key serves everybody

    def _find(self, secret: bytes) -> KnownCaller | None:
        """Look at every entry, always, so that the time it takes tells nothing."""
        if not self.known:
            return None
        token_hash, found = hash_token(secret), None
        for known in self.known:
            if hmac.compare_digest(known.token_hash, token_hash):
                found = known
        return found


def hash_token(token: bytes) -> str:
    """How a token is written in the settings."""
    return hashlib.sha256(token).hexdigest()
