"""
Requests that pages of other sites make a browser send, which carry its cookies all the same.

`SameSite=Strict` keeps the cookie from them, but other ports of one host are the same site.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from proxy.console.problems import Problem
from proxy.errors import ForeignOrigin
from proxy.security.hosts import HostCheck

_READING: Final = frozenset({"GET", "HEAD"})
_OWN: Final = frozenset({"same-origin", "none"})
"""Values of `Sec-Fetch-Site` for requests of the console's own pages, and of a person."""
_REFUSED: Final = (
    "This form was sent by a page at another address, so nothing was changed. Open the console in "
    "a tab of its own and repeat what you did. If it did come from there, a proxy in front has "
    "changed the name of the host: add the name that your browser shows to `allowed_hosts`."
)


def refuse_other_sites(request: Request, hosts: HostCheck) -> None:
    """Raise `Problem` if a page of another site does more than leading to the console."""
    is_own = request.headers.get("sec-fetch-site", "none").strip().lower() in _OWN
    if request.method in _READING:
        if not is_own and request.headers.get("sec-fetch-dest", "document") != "document":
            raise Problem(403, "Pages of other sites may lead here, but show nothing from here.")
        return
    try:
        hosts.check(request.headers.raw, holds_keys=True)
    except ForeignOrigin as exc:
        raise Problem(403, _REFUSED) from exc
    if not is_own:
        raise Problem(403, _REFUSED)
