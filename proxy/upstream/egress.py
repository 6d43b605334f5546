"""
The environment's say in how requests leave this machine: certificates and outbound proxies.

A variable that cannot be used raises `InvalidSettings`, which names it. The
address of a proxy is not repeated, because it may contain a password.
"""

from __future__ import annotations

import os
import re
import ssl
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias

import httpx

from proxy.errors import InvalidSettings
from proxy.security.keyring import DEFAULT_PORTS

Origin: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_FILE: Final = "SSL_CERT_FILE"
_DIRECTORY: Final = "SSL_CERT_DIR"
_KEY_LOG: Final = "SSLKEYLOGFILE"
_HOST: Final = re.compile(r"[\w.:-]+")
_LAST_PORT: Final = 65_535
_REMEDIES: Final[Mapping[str | None, str]] = {
    _FILE: "name a file of certificates (PEM), or unset it",
    _DIRECTORY: "name a directory of certificates, or unset it",
    _KEY_LOG: "name a file that can be written to, or unset it",
    None: "is the installation complete?",
}


@dataclass(frozen=True, slots=True)
class OutboundProxy:
    """An HTTP proxy on the way to an upstream."""

    origin: Origin
    """Where it listens; the scheme says whether it is spoken to over TLS."""
    authorization: bytes | None = field(default=None, repr=False)
    """The `Proxy-Authorization` that it wants, or None."""

    def __str__(self) -> str:
        """Return host and port, for operators."""
        return authority(*self.origin[1:])


def authority(host: str, port: int | None) -> str:
    """Return host and port, if there is one, as they stand in a URL."""
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


def check_egress(*urls: str | None) -> None:
    """Raise `InvalidSettings` if the environment keeps these URLs from being asked."""
    trust()
    for url in urls:
        if url is not None:
            proxy_for(url)


def trust() -> ssl.SSLContext:
    """
    Return the TLS context that trusts what the environment says; raises `InvalidSettings`.

    All clients share it until the environment or the certificates change, because making one
    reads all certificates.
    """
    # httpx uses the file if there is one, else the directory.
    variable = next((name for name in (_FILE, _DIRECTORY) if os.environ.get(name)), None)
    try:
        if variable == _DIRECTORY:  # OpenSSL would complain only at the first handshake
            os.listdir(os.environ[_DIRECTORY])
        return _context(
            *(_as_it_is(name) for name in (_FILE, _DIRECTORY)), os.environ.get(_KEY_LOG)
        )
    except OSError as exc:  # `ssl.SSLError` is one, too
        if exc.filename is not None and exc.filename == os.environ.get(_KEY_LOG):
            variable = _KEY_LOG
        where = f"{variable}: {os.environ[variable]}" if variable else "TLS cannot be set up"
        said = f"{where}: {exc.strerror or exc}: {_REMEDIES[variable]}"
        raise InvalidSettings(said) from exc


@lru_cache(maxsize=2)
def _context(*_environment: object) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _as_it_is(variable: str) -> tuple[str | None, int | None]:
    """Return the path that a variable names, and when what is there has changed."""
    path = os.environ.get(variable)
    try:
        return path, os.stat(path).st_mtime_ns if path else None
    except OSError:
        return path, None


def proxy_for(url: str) -> OutboundProxy | None:
    """Return the proxy on the way to a base URL, or None; raises `InvalidSettings`."""
    parsed = httpx.URL(url)
    try:
        host = parsed.host
    except UnicodeError as exc:  # a name with an emoji, for example
        raise InvalidSettings(f"{url}: no host can have this name: {exc}; correct it") from exc
    if host in LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    for scheme in (parsed.scheme, "all"):
        if address := proxies.get(scheme):
            try:
                return _read_proxy(address if "://" in address else f"http://{address}")
            except _Unusable as exc:
                name = f"{scheme}_proxy"
                variable = name if os.environ.get(name) else name.upper()  # as urllib reads them
                without = f"put {host} into NO_PROXY"
                raise InvalidSettings(f"{variable}: {exc}, or {without}") from None
    return None


class _Unusable(Exception):
    """The address of a proxy cannot be used; the text says why, and what to do."""


def _read_proxy(address: str) -> OutboundProxy:
    """Take the address of a proxy apart; raises `_Unusable`."""
    try:
        proxy = httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or not _HOST.fullmatch(proxy.url.host) or (proxy.url.port or 0) > _LAST_PORT:
        raise _Unusable("is not the address of a proxy: write http://HOST:PORT")
    scheme = proxy.url.scheme
    if scheme not in DEFAULT_PORTS:
        raise _Unusable("names a SOCKS proxy, which Holdover does not speak to: name an HTTP proxy")
    credentials = ":".join(proxy.auth).encode() if proxy.auth else None
    return OutboundProxy(
        (scheme, proxy.url.raw_host.decode("ascii"), proxy.url.port or DEFAULT_PORTS[scheme]),
        credentials and b"Basic " + b64encode(credentials),
    )
