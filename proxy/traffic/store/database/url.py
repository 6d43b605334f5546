"""
Addresses of stores: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

Errors never quote the given address, because a password may be in any part of it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

_SQLITE: Final = "sqlite:///"
_POSTGRESQL_PORT: Final = 5432
_POSTGRESQL: Final = re.compile(
    r"postgresql(?:\+psycopg)?(?P<rest>://(?:[^@/?#]*@)?(?:\[[\d:A-Fa-f]+\]|[^@:/?#]*)(?::\d+)?"
    r"(?:/[^@/?#]*)?(?:\?[^#]*)?)"
)


def default_url(state_dir: Path) -> str:
    """Return the URL of the SQLite store in the state directory."""
    return _SQLITE + quote(str(state_dir.absolute() / "traffic" / "traffic.db"))


def checked_url(url: str) -> str:
    """Return the URL with its driver; raises `ValueError` that says what to write instead."""
    if url.startswith(_SQLITE):
        if not file_of(url) or "?" in url:
            raise ValueError("sqlite:/// must be followed by the path of a file and nothing else")
        return url
    found = _POSTGRESQL.fullmatch(url)
    if found is None:
        raise ValueError(
            "expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/DATABASE,"
            " with @, /, ? and # in a password written %40, %2F, %3F and %23"
        )
    return f"postgresql+psycopg{found['rest']}"


def place_of_store(url: str) -> str:
    """Return the file, or the server and database, without user and password."""
    if (file := file_of(url)) is not None:
        return str(file)
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or _POSTGRESQL_PORT
    return f"PostgreSQL at {host}:{port}/{unquote(parts.path.removeprefix('/'))}"


def file_of(url: str) -> Path | None:
    """Return the file of a SQLite URL; None for PostgreSQL, or if the URL names no file."""
    path = unquote(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else ""
    return Path(path) if path not in {"", ":memory:"} else None
