"""Addresses of the console's pages."""

from __future__ import annotations

from urllib.parse import urlencode


def address(prefix: str, path: str, **parameters: str | None) -> str:
    """Return an address of a console under a prefix, with the parameters that are not None."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"{prefix}{path}" + (f"?{urlencode(given)}" if given else "")
