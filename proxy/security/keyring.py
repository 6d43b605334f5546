"""
Who is calling, and with which key an upstream is asked on their behalf.

A key belongs to the origin (scheme, host, port) that it was given for, and
never leaves for another. So where a request goes and what it is asked with are
one value, a `Destination`, and this table is the only one that makes them:

    a key is held for the upstream   the client sends             sent        a refusal is
    yes: the caller's, or else       anything                     that key    our fault
      the server's
    no                               a token that opens a key     nothing     our fault
    no                               a key of its own, or none    what it is  the client's

A token opens a key where it stands in the list of callers and any key is held
for its caller, or for all: whoever had it could spend that key, so it is as
secret. Tokens are known by their SHA-256 alone: they are random and long, so
there is nothing to guess, and the file that lists them gives nobody access.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
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
_PORTS: Final = {"http": 80, "https": 443}


class HeldKey(HiddenRepr, frozen=True, kw_only=True):
    """A key of the operator's."""

    secret: bytes
    digest: CallerDigest
    setting: str
    """Where it was given: `upstream_key`, or `callers.NAME.legacy_key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An upstream's base url, and the key that it is asked with for callers without their own."""

    name: Literal["upstream", "legacy"]
    """As settings about it begin."""
    url: str
    key: HeldKey | None = None

    @property
    def setting(self) -> str:
        """Where such a key is given, if it is."""
        return f"{self.name}_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCaller:
    """One entry of the operator's list, and the keys that upstreams are asked with for it."""

    name: str
    token_hash: str
    """SHA-256 of what the client sends, in hex."""
    messages_key: HeldKey | None = None
    legacy_key: HeldKey | None = None

    @property
    def keys(self) -> tuple[HeldKey | None, HeldKey | None]:
        """For the Messages API, and for the legacy upstream."""
        return self.messages_key, self.legacy_key


class Destination(HiddenRepr, frozen=True, kw_only=True):
    """An upstream as it is asked for one caller: where, and with what."""

    url: str
    credential: Credential
    """Empty: none is sent."""
    digest: CallerDigest | None
    """What stands for the key in logs; None: none is sent."""
    setting: str | None = None
    """The one to look at where the key is refused, or missed; None: that is the client's affair."""
    instead: Headers | None = None
    """The headers that replace the client's own credentials; None: those pass as they come."""


class Caller(HiddenRepr, frozen=True, kw_only=True):
    """Who sent a request, and how upstreams are asked for it."""

    name: str | None
    digest: CallerDigest
    """Of the key that the client sends."""
    identity: bytes
    """What stays the same for this caller: the name, or else the key."""
    messages: Destination
    legacy: Destination | None
    """None: there is no legacy upstream."""

    def destination(self, action: str | None) -> Destination:
        """Who is asked by a leg of this kind."""
        if action != "forward":
            return self.messages
        assert self.legacy is not None  # settings in which a rule forwards to nobody are refused
        return self.legacy

    @property
    def held_secrets(self) -> list[bytes]:
        """Keys of ours that are used for it."""
        ours = [to for to in (self.messages, self.legacy) if to is not None and to.setting]
        return [to.credential.secret for to in ours if to.credential.secret]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Whose key is whose, and where it may go."""

    digester: Digester
    messages: Site
    legacy: Site | None = None
    known: tuple[KnownCaller, ...] = ()

    @property
    def urls(self) -> frozenset[str]:
        """Of all upstreams."""
        return frozenset(site.url for site in self._sites)

    @property
    def held(self) -> Iterator[HeldKey]:
        """All keys of ours; one that serves two upstreams comes twice."""
        yield from (site.key for site in self._sites if site.key is not None)
        for known in self.known:
            yield from (key for key in known.keys if key is not None)

    @property
    def holds_keys(self) -> bool:
        """Whether any request is made with another key than the client's."""
        return next(self.held, None) is not None

    @property
    def refuses_strangers(self) -> bool:
        """Whether a key that is not listed is turned away: as soon as there is one of ours."""
        return bool(self.known) and self.holds_keys

    @property
    def warnings(self) -> Iterator[str]:
        """What an operator who holds a key for one upstream may not expect of the other."""
        if self.legacy and self.messages.key and not (self.legacy.key or self.known):
            yield (
                "legacy_url: clients' own keys will be sent there, since upstream_key belongs to "
                "upstream_url alone; set legacy_key if it is to be asked with a key of yours"
            )
        for site in self._sites:
            if without := [known.name for known in self.known if self._misses_key(known, site)]:
                yield (
                    f"{site.name}_url: no key will be sent there for {', '.join(without)}: what "
                    "they send opens a key of yours, so it goes nowhere, and none is held for that "
                    f"upstream; set {site.setting}, or callers.NAME.{site.setting}"
                )

    def _misses_key(self, known: KnownCaller, site: Site) -> bool:
        key = known.legacy_key if site is self.legacy else known.messages_key
        return (key or site.key) is None and self._opens_a_key(known)

    def identify(self, headers: Headers) -> Caller:
        """The one who sent these; `MissingKey` or `UnknownKey` where nobody may ask like that."""
        given = self._given(headers)
        known = self._find(given.secret)
        if known is None and self.refuses_strangers:
            raise UnknownKey("invalid x-api-key")
        return self._caller(
            known,
            given,
            name=known.name if known else None,
            digest=self.digester.caller(given.secret),
            identity=known.name.encode() if known else given.secret,
        )

    def absent(self, *, name: str | None, digest: CallerDigest, identity: bytes) -> Caller:
        """Somebody who is not there to send a key: upstreams are asked with ours, or none."""
        known = next((known for known in self.known if known.name == name), None)
        return self._caller(known, _NO_CREDENTIAL, name=name, digest=digest, identity=identity)

    def for_other_paths(self, headers: Headers) -> Destination:
        """How the Messages API is asked for anything but completions; raises as `identify`."""
        if self.holds_keys:
            return self.identify(headers).messages
        return Destination(url=self.messages.url, credential=_NO_CREDENTIAL, digest=None)

    def _caller(
        self,
        known: KnownCaller | None,
        given: Credential,
        *,
        name: str | None,
        digest: CallerDigest,
        identity: bytes,
    ) -> Caller:
        own = _Own(given, digest, self._opens_a_key(known), passes_untouched=not self.holds_keys)
        messages_key, legacy_key = known.keys if known else (None, None)
        return Caller(
            name=name,
            digest=digest,
            identity=identity,
            messages=_destination(self.messages, messages_key, own),
            legacy=_destination(self.legacy, legacy_key, own) if self.legacy else None,
        )

    @property
    def _sites(self) -> tuple[Site, ...]:
        return (self.messages, self.legacy) if self.legacy else (self.messages,)

    def _opens_a_key(self, known: KnownCaller | None) -> bool:
        if known is None:
            return False
        keys = (*known.keys, *(site.key for site in self._sites))
        return any(key is not None for key in keys)

    def _given(self, headers: Headers) -> Credential:
        try:
            return find_credential(headers)
        except MissingKey:
            if self.known or not self.holds_keys:
                raise
            return _NO_CREDENTIAL  # the server's key serves everybody

    def _find(self, secret: bytes) -> KnownCaller | None:
        """Look at every entry, always, so that the time it takes tells nothing."""
        if not self.known:
            return None
        token_hash, found = hash_token(secret), None
        for known in self.known:
            if hmac.compare_digest(known.token_hash, token_hash):
                found = known
        return found


class _Own(NamedTuple):
    """What a client sends."""

    credential: Credential
    digest: CallerDigest
    opens_a_key: bool
    passes_untouched: bool
    """There are no tokens that another of its headers could hold."""


def _destination(site: Site, callers_key: HeldKey | None, own: _Own) -> Destination:
    """What the table above says."""
    digest: CallerDigest | None
    setting: str | None
    if (key := callers_key or site.key) is not None:
        sent = Credential(b"x-api-key", key.secret, key.secret)
        digest, setting = key.digest, key.setting
    elif own.opens_a_key:
        sent, digest, setting = _NO_CREDENTIAL, None, site.setting
    else:
        sent, setting = own.credential, None
        digest = own.digest if sent.secret else None
    is_untouched = setting is None and own.passes_untouched
    instead = None if is_untouched else sent.fields
    return Destination(
        url=site.url, credential=sent, digest=digest, setting=setting, instead=instead
    )


def refuses_key(status: int) -> bool:
    """Whether an answer is about the key or its account, and not about the request."""
    return status in _REFUSES_KEYS


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of a base url: whom a key is trusted to (RFC 6454, section 4)."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def hash_token(token: bytes) -> str:
    """How a token is written in the settings."""
    return hashlib.sha256(token).hexdigest()
