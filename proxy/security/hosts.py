"""
Checks of the host that a request names and of the site that sent it.

A browser sends requests for any page that it shows, so a page of another site could
spend a key that Holdover holds. Two headers give such a page away. If its own domain
name was pointed at our address (DNS rebinding), `Host` has that name. If it requests
our name from another site, `Origin` has the page's site, or the browser sends
`Sec-Fetch-Site: cross-site` (Fetch Metadata).
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
_LOCALHOST: Final = "localhost"


def only_host(headers: Headers) -> bytes:
    """
    Return the value of the Host header.

    Raises `MalformedRequest` unless there is exactly one valid Host (RFC 9112, section 3.2).
    """
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1:
        raise MalformedRequest("A request must have exactly one Host header.")
    if _HOST.fullmatch(hosts[0]) is None:
        raise MalformedRequest("The Host header is not a valid host name or address.")
    return hosts[0]


@lru_cache(256)
def is_loopback(name: str) -> bool:
    """Return True if a name or an address always means this machine."""
    if name == _LOCALHOST or name.endswith(f".{_LOCALHOST}"):  # RFC 6761, section 6.3
        return True
    address = ip_address_of(name)
    return address is not None and address.is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """Names under which this process is served, and other sites whose pages may use it."""

    is_local: bool
    """True if the process listens on a loopback address."""
    allowed: frozenset[str] = frozenset()
    """Further host names, as shell patterns in lower case."""

    def check(self, headers: Headers, *, holds_keys: bool) -> None:
        """Raise `ForeignHost` or `ForeignOrigin` if the request must not be served."""
        host = first(headers, b"host")
        # Only HTTP/1.0 requests have no Host, and no browser sends those.
        if host is not None and not self._serves(_host_name(host)):
            raise ForeignHost(
                "Holdover does not serve the host in the Host header. To allow it, the operator of"
                " Holdover must add it to the setting allowed_hosts."
            )
        if holds_keys and self._is_foreign(headers, host or b""):
            raise ForeignOrigin(
                "Pages of other sites may not use Holdover's API key. To allow this page, the"
                " operator of Holdover must add its host to the setting allowed_hosts."
            )

    def _serves(self, name: str) -> bool:
        if not self.is_local and not self.allowed:
            return True
        if is_loopback(name) or self._is_allowed(name):
            return True
        # DNS rebinding needs a name, so a Host that is an IP address is safe.
        return not self.is_local and ip_address_of(name) is not None

    def _is_allowed(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.allowed)

    def _is_foreign(self, headers: Headers, host: bytes) -> bool:
        origins = [value for name, value in headers if name == b"origin"]
        if origins:
            authorities = [origin.lower().partition(b"://")[2] for origin in origins]
            return not all(
                authority == host.lower() or self._is_allowed(_host_name(authority))
                for authority in authorities
            )
        site = first(headers, b"sec-fetch-site") or b""
        return site.strip().lower() == b"cross-site"


@lru_cache(256)
def _host_name(host: bytes) -> str:
    """Return a host without its port, in lower case; empty if it is not valid."""
    found = _HOST.fullmatch(host)
    return found["name"].decode("ascii").lower().removesuffix(".") if found else ""


def ip_address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host's name spells, in brackets or not; None for other names."""
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
