"""
Identification of callers, and the choice of the key that is sent to an upstream for them.

A key belongs to the origin (scheme, host, port) that it was given for and is never
sent to another. URL and key are therefore one value, a `Destination`, which only
this module creates, by this table:

    Holdover has a key for the upstream   client sends            sent on    a rejection is due to
    yes: the caller's, else the server's  anything                that key   Holdover
    no                                    a token for a held key  no key     Holdover
    no                                    its own key, or none    the same   the client

A token in the list of callers gives access to a held key if Holdover has any key
for this caller or for all callers. Such a token can spend that key, so it is as
secret as the key and is sent nowhere. The settings hold only the SHA-256 of tokens:
tokens are long and random, so a hash reveals nothing and gives no access.

A caller that is listed by the digest of its key has a name and is a stranger otherwise:
a digest is short and stands in logs, so it opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from proxy.errors import MissingKey, UnknownKey
from proxy.headers import Headers
from proxy.security.credentials import Credential, find_credential
from proxy.security.redaction import CallerDigest, Digester, HiddenRepr

_NO_CREDENTIAL: Final = Credential(b"", b"", b"")
_REFUSES_KEYS: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}
)
_MODEL: Final = re.compile(r"\bmodel\b", re.IGNORECASE)
"""Word in what the API, Bedrock and Vertex say of a model that a key has no access to."""
DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
"""Ports of URLs that name none."""


class HeldKey(HiddenRepr, frozen=True, kw_only=True):
    """An API key from the settings."""

    secret: bytes
    digest: CallerDigest
    setting: str
    """Setting that holds the key: `upstream_key`, or `callers.NAME.legacy_key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An upstream's base URL, and the key for callers who have none of their own."""

    name: Literal["upstream", "legacy"]
    """Prefix of the settings for this upstream."""
    url: str
    key: HeldKey | None = None
    as_bearer: bool = False
    """True if held keys are sent as `Authorization: Bearer`, not as `x-api-key`."""
    kept_headers: frozenset[bytes] = frozenset()
    """Headers of clients that translated requests keep besides those that always pass."""
    extra_headers: tuple[tuple[bytes, bytes], ...] = ()
    """Headers from the settings that every request for this upstream gets."""

    @property
    def setting(self) -> str:
        """Name of the setting for its key, whether or not it is set."""
        return f"{self.name}_key"

    def credential(self, secret: bytes) -> Credential:
        """Return the credential with which a held key is sent to this upstream."""
        if self.as_bearer:
            return Credential(b"authorization", b"Bearer " + secret, secret)
        return Credential(b"x-api-key", secret, secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCaller:
    """An entry of the setting `callers` with a token, and the upstream keys for this caller."""

    name: str
    token_hash: str
    """Hex SHA-256 of the token that the client sends."""
    messages_key: HeldKey | None = None
    legacy_key: HeldKey | None = None

    @property
    def keys(self) -> tuple[HeldKey | None, HeldKey | None]:
        """Keys for the Messages API and for the legacy upstream, in this order."""
        return self.messages_key, self.legacy_key


class Destination(HiddenRepr, frozen=True, kw_only=True):
    """An upstream's URL, and the credential that is sent there for one caller."""

    url: str
    credential: Credential
    """The credential to send; empty if none is sent."""
    digest: CallerDigest | None
    """Digest of the key, for logs; None if no key is sent."""
    setting: str | None = None
    """Setting to correct if the key is rejected or missing; None if the client's key is sent."""
    instead: Headers | None = None
    """Headers that replace the client's credentials; None if those pass unchanged."""
    kept_headers: frozenset[bytes] = frozenset()
    """Headers of clients that translated requests keep besides those that always pass."""
    extra_headers: tuple[tuple[bytes, bytes], ...] = ()
    """Headers from the settings that every request gets, in place of the client's own."""


class Caller(HiddenRepr, frozen=True, kw_only=True):
    """The sender of a request, and the destinations for its requests."""

    name: str | None
    digest: CallerDigest
    """Digest of the key that the client sends."""
    identity: bytes
    """Bytes that always identify this caller: its name, or its key if it has no name."""
    messages: Destination
    legacy: Destination | None
    """Destination for `forward` rules; None if there is no legacy upstream."""
    digester: Digester

    def opaque(self, user_id: str) -> str:
        """Return a keyed digest that can be sent instead of a user id."""
        return self.digester.body(user_id.encode())

    def destination(self, action: str | None) -> Destination:
        """Return the upstream for a rule's action."""
        if action != "forward":
            return self.messages
        assert self.legacy is not None  # settings with a forward rule need a legacy_url
        return self.legacy

    @property
    def held_secrets(self) -> list[bytes]:
        """Secrets from the settings that are sent upstream for this caller."""
        ours = [to for to in (self.messages, self.legacy) if to is not None and to.setting]
        return [to.credential.secret for to in ours if to.credential.secret]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Known callers and upstreams with their keys."""

    digester: Digester
    messages: Site
    legacy: Site | None = None
    known: tuple[KnownCaller, ...] = ()
    names: Mapping[CallerDigest, str] = field(default_factory=dict[CallerDigest, str])
    """Names of callers that are listed by the digest of their key."""

    @property
    def urls(self) -> frozenset[str]:
        """Base URLs of all upstreams."""
        return frozenset(site.url for site in self._sites)

    @property
    def held(self) -> Iterator[HeldKey]:
        """Every key in the settings; a key for two upstreams occurs twice."""
        yield from (site.key for site in self._sites if site.key is not None)
        for known in self.known:
            yield from (key for key in known.keys if key is not None)

    @property
    def holds_keys(self) -> bool:
        """True if any request may be sent with a key other than the client's."""
        return next(self.held, None) is not None

    @property
    def refuses_strangers(self) -> bool:
        """True if only listed callers are served, because strangers could spend a held key."""
        return bool(self.known) and self.holds_keys

    @property
    def warnings(self) -> Iterator[str]:
        """Warnings about an upstream that gets clients' own keys, or no key, by accident."""
        if self.legacy and self.messages.key and not (self.legacy.key or self.known):
            yield (
                "legacy_url: clients' own keys will be sent there, because upstream_key is only "
                "for upstream_url; to send a key of yours instead, set legacy_key"
            )
        for site in self._sites:
            is_legacy = site is self.legacy
            without = [
                known.name
                for known in self.known
                if not (site.key or (known.legacy_key if is_legacy else known.messages_key))
                and self._opens_a_key(known)
            ]
            if without:
                yield (
                    f"{site.name}_url: no key will be sent there for {', '.join(without)}, because "
                    "there is none for this upstream, and their tokens are never sent on; "
                    f"set {site.setting}, or callers.NAME.{site.setting}"
                )

    def identify(self, headers: Headers) -> Caller:
        """
        Return the caller that sent these headers.

        Raises `MissingKey` if the request needs a key and has none, and `UnknownKey`
        if only listed callers are served and this one is not listed.
        """
        try:
            given = find_credential(headers)
        except MissingKey:
            if self.known or not self.holds_keys:
                raise
            given = _NO_CREDENTIAL  # the server's key is used for all clients
        known = self._known_by(given)
        if known is None and self.refuses_strangers:
            raise UnknownKey("invalid x-api-key")
        digest = self.digester.caller(given.secret)
        name = known.name if known else self.names.get(digest)
        identity = given.secret if name is None else name.encode()
        return self._caller(known, given, name=name, digest=digest, identity=identity)

    def digest_of(self, headers: Headers) -> CallerDigest:
        """Return the digest of the key that a request sends, whether or not it opens anything."""
        return self.digester.caller(_credential_or_none(headers).secret)

    def name_of(self, headers: Headers) -> str | None:
        """Return the name that the settings give to the sender of these headers, or None."""
        given = _credential_or_none(headers)
        if (known := self._known_by(given)) is not None:
            return known.name
        return self.names.get(self.digester.caller(given.secret))

    def absent(self, *, name: str | None, digest: CallerDigest, identity: bytes) -> Caller:
        """
        Return a caller without a request (for replays and `check`): only held keys are sent.

        One without a name gets that of its digest, if the settings now have one.
        """
        if name is None and (name := self.names.get(digest)) is not None:
            identity = name.encode()
        known = next((known for known in self.known if known.name == name), None)
        return self._caller(known, _NO_CREDENTIAL, name=name, digest=digest, identity=identity)

    def named(self, name: str | None) -> Caller:
        """Return the caller of a name or digest; without either, one that sends no key."""
        digests = {caller: digest for digest, caller in self.names.items()}
        if name is None or name in {*digests, *(known.name for known in self.known)}:
            digest = digests.get(name or "", self.digester.caller(b""))
            return self.absent(name=name, digest=digest, identity=(name or "").encode())
        return self.absent(name=None, digest=CallerDigest(name), identity=name.encode())

    def for_other_paths(self, headers: Headers) -> Destination:
        """Return the destination of requests that are not completions; raises like `identify`."""
        if self.holds_keys:
            return self.identify(headers).messages
        return Destination(
            url=self.messages.url,
            credential=_NO_CREDENTIAL,
            digest=None,
            extra_headers=self.messages.extra_headers,
        )

    def _known_by(self, given: Credential) -> KnownCaller | None:
        """Return the caller that is listed with this token, or None."""
        found, token_hash = None, hash_token(given.secret) if self.known else ""
        for each in self.known:  # all of them, so that the time taken tells nothing about the list
            if hmac.compare_digest(each.token_hash, token_hash):
                found = each
        return found

    def _caller(
        self,
        known: KnownCaller | None,
        given: Credential,
        *,
        name: str | None,
        digest: CallerDigest,
        identity: bytes,
    ) -> Caller:
        own = _OwnCredential(
            given, digest, self._opens_a_key(known), passes_untouched=not self.holds_keys
        )
        messages_key, legacy_key = known.keys if known else (None, None)
        return Caller(
            name=name,
            digest=digest,
            identity=identity,
            messages=_destination(self.messages, messages_key, own),
            legacy=_destination(self.legacy, legacy_key, own) if self.legacy else None,
            digester=self.digester,
        )

    @property
    def _sites(self) -> tuple[Site, ...]:
        return (self.messages, self.legacy) if self.legacy else (self.messages,)

    def _opens_a_key(self, known: KnownCaller | None) -> bool:
        if known is None:
            return False
        keys = (*known.keys, *(site.key for site in self._sites))
        return any(key is not None for key in keys)


def _credential_or_none(headers: Headers) -> Credential:
    try:
        return find_credential(headers)
    except MissingKey:
        return _NO_CREDENTIAL


class _OwnCredential(NamedTuple):
    """The client's own credential and what may be done with it."""

    credential: Credential
    digest: CallerDigest
    opens_a_key: bool
    passes_untouched: bool
    """True if Holdover has no keys, so that no header of the client can hold a token for one."""


def _destination(site: Site, callers_key: HeldKey | None, own: _OwnCredential) -> Destination:
    """Apply the table at the top of this module."""
    digest: CallerDigest | None
    setting: str | None
    if (key := callers_key or site.key) is not None:
        sent = site.credential(key.secret)
        digest, setting = key.digest, key.setting
    elif own.opens_a_key:
        sent, digest, setting = _NO_CREDENTIAL, None, site.setting
    else:
        sent, setting = own.credential, None
        digest = own.digest if sent.secret else None
    is_untouched = setting is None and own.passes_untouched
    instead = None if is_untouched else sent.fields
    return Destination(
        url=site.url,
        credential=sent,
        digest=digest,
        setting=setting,
        instead=instead,
        kept_headers=site.kept_headers,
        extra_headers=site.extra_headers,
    )


def refuses_key(status: int) -> bool:
    """Return True if a status rejects the key or its account rather than the request."""
    return status in _REFUSES_KEYS


def is_about_a_model(status: int, message: str) -> bool:
    """Return True if a 403 says that a model is closed to the key, which works for others."""
    return status == HTTPStatus.FORBIDDEN and _MODEL.search(message) is not None


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a base URL: the scope of a key (RFC 6454, section 4)."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def hash_token(token: bytes) -> str:
    """Return the hex SHA-256 of a token, as the settings list it."""
    return hashlib.sha256(token).hexdigest()
