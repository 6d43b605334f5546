"""Addresses of the console that a browser is led to, and none of any other site."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.types import Scope

from proxy.endpoints.paths import without_prefix

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
ENTER: Final = "/enter"
STATIC: Final = "/static/"
"""Paths that need no session; no page can be below the last."""

_OWN: Final = re.compile(r"/(?!/)[!-\[\]-~]*")
"""Path and query in printable ASCII without a backslash, which browsers read as a slash; they
leave out tabs and line ends, after which a path might begin with two slashes."""
_UPWARDS: Final = re.compile(r"/(?:\.|%2e){1,2}(?:[/?#]|$)", re.IGNORECASE)
_LONGEST: Final = 4_000


def own_target(target: str | None) -> str:
    """Return a path to lead to if it cannot be on another site; else that of the overview."""
    if (
        target is None
        or len(target) > _LONGEST
        or _OWN.fullmatch(target) is None
        or _UPWARDS.search(target)
        or target.startswith((SIGN_IN, SIGN_OUT, ENTER))
    ):
        return "/"
    return target


def target_of(request: Request) -> str:
    """Return the path and query of a request, to lead there again, or that of the overview."""
    path: str = request.scope["raw_path"].decode("latin-1")
    return own_target(path + (f"?{query}" if (query := request.url.query) else ""))


def below_prefix(scope: Scope, prefix: str) -> Scope:
    """Return the scope of a request without a prefix, which a proxy in front may have left."""
    raw_path = without_prefix(scope["raw_path"], prefix)
    path = unquote(raw_path.decode("latin-1"))
    return {**scope, "path": path, "raw_path": raw_path, "root_path": ""}
