"""
The cookie of a session: its name, its attributes, and the values that a browser has sent.

Cookies ignore ports, so that two consoles on one host, or behind two forwarded ports, would end
each other's sessions if their cookies had one name. It is made of what tells consoles apart: the
host as the browser names it, with its port, and the address at which the console listens.

Behind TLS the name has a prefix with which browsers refuse to let it be set otherwise (RFC 6265bis,
section 4.1.3): `__Host-`, by this very host alone, or `__Secure-` where the path is not `/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from proxy.console.access.sessions import SECONDS


def is_tls(request: Request) -> bool:
    """Return True if the browser speaks TLS, with us or with a proxy in front of us."""
    # Of several proxies, each adds its own to the end.
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0]
    return "https" in {request.url.scheme, forwarded.strip().lower()}


def cookie_name(request: Request, address: str, prefix: str) -> str:
    """Return the name of the cookie of the console at an address, for this browser."""
    seen_as = f"{request.headers.get('host', '').lower()} {address}"
    digest = hashlib.blake2b(seen_as.encode(errors="replace"), digest_size=6).hexdigest()
    if not is_tls(request):
        return f"holdover_{digest}"
    return f"{'__Secure-' if prefix else '__Host-'}holdover_{digest}"


def session_ids(request: Request, name: str) -> Iterator[str]:
    """Yield the values of all cookies with this name; of other hosts' some may come, too."""
    for header, text in request.headers.raw:
        if header != b"cookie":
            continue
        for pair in text.decode("latin-1").split(";"):
            given, _, value = pair.partition("=")
            if given.strip() == name:
                yield value.strip()


def set_cookie(response: Response, request: Request, name: str, value: str, prefix: str) -> None:
    """Let the browser keep the id of a session until that ends; an empty one takes it away."""
    response.set_cookie(
        name,
        value,
        max_age=SECONDS if value else 0,
        path=prefix or "/",
        secure=is_tls(request),
        httponly=True,
        samesite="strict",
    )
