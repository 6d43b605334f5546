"""
Which host a request names, and whether a page of another site sent it.

A browser sends requests for any page that it shows. Two things give a foreign
page away: one that reaches us under a name of its own (DNS rebinding) names
itself as `Host`; one that asks another site names itself as `Origin`, or its
browser says `Sec-Fetch-Site: cross-site` (Fetch Metadata). What somebody could
gain that way is the use of a key that is held here.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from proxy.errors import ForeignHost, ForeignOrigin, MalformedRequest
from proxy.headers import Headers, first

_HOST: Final = re.compile(rb"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::\d*)?")
_LOCAL: Final = "localhost"


def only_host(headers: Headers) -> bytes:
    """The value of the one Host header; raises `MalformedRequest` (RFC 9112, section 3.2)."""
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1:
        raise MalformedRequest("A request names its host exactly once: send one Host header.")
    if _HOST.fullmatch(hosts[0]) is None:
        raise MalformedRequest("The Host header is no host with or without a port.")
    return hosts[0]


@lru_cache(256)
def is_loopback(name: str) -> bool:
    """Whether a name, or an address, always means this machine."""
    if name == _LOCAL or name.endswith(f".{_LOCAL}"):  # RFC 6761, section 6.3
        return True
    address = _address(name)
    return address is not None and address.is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """By which names this process is asked, and which pages of other sites may ask it."""

    is_local: bool
    """Whether it listens on a loopback address."""
    allowed: frozenset[str] = frozenset()
    """Further names, as shell patterns in lower case."""

    def check(self, headers: Headers, *, holds_keys: bool) -> None:
        """Raise `ForeignHost` or `ForeignOrigin` where such a request is not served."""
        host = first(headers, b"host")
        # Without one it is a request of HTTP/1.0, which no browser sends.
        if host is not None and not self._serves(_name(host)):
            raise ForeignHost(
                "This Host is not served here. If it is meant to be, whoever runs Holdover adds it"
                " to the setting allowed_hosts."
            )
        if holds_keys and self._is_foreign(headers, host or b""):
            raise ForeignOrigin(
                "A page of another site may not use a key that Holdover holds. If it is meant to,"
                " whoever runs Holdover adds its host to the setting allowed_hosts."
            )

    def _serves(self, name: str) -> bool:
        if not self.is_local and not self.allowed:
            return True
        if is_loopback(name) or self._is_allowed(name):
            return True
        # A page under an address is that of the address: it cannot be taken over by a name.
        return not self.is_local and _address(name) is not None

    def _is_allowed(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.allowed)

    def _is_foreign(self, headers: Headers, host: bytes) -> bool:
        origins = [value for name, value in headers if name == b"origin"]
        if origins:
            return not all(self._is_own(origin, host) for origin in origins)
        site = first(headers, b"sec-fetch-site") or b""
        return site.strip().lower() == b"cross-site"

    def _is_own(self, origin: bytes, host: bytes) -> bool:
        _, _, authority = origin.lower().partition(b"://")
        return authority == host.lower() or self._is_allowed(_name(authority))


@lru_cache(256)
def _name(host: bytes) -> str:
    """A host without its port, as it is compared."""
    found = _HOST.fullmatch(host)
    return found["name"].decode("ascii").lower().removesuffix(".") if found else ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
