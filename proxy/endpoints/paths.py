"""
Read paths in every way in which a server may read them.

A server may decode a path once, twice or not at all, take `\\` for `/`, cut off
what follows a semicolon, and go up at `..`; we do not know which of these an
upstream does. So every reading of a path is checked, from the one that was
sent to the one in which nothing is left to decode. A path that passes goes
upstream as the same bytes; routing uses the last reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final
from unicodedata import normalize
from urllib.parse import unquote

from proxy.errors import NotForwardable

_MAX_DECODINGS: Final = 4
"""Every server on the way may decode once, but honest clients encode at most twice."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UPWARDS: Final = re.compile(r"[/\\]\s*\.{1,2}\s*(?:[/\\;?#]|\Z)")
_SEPARATOR: Final = re.compile(r"[/\\]")
_END_OF_NAME: Final = re.compile(r"[;?#]")  # `..;` is `..` to Tomcat
# `%u` escapes, which only IIS decodes.
_WIDE_ESCAPE: Final = re.compile(r"%u((?!d[89a-f])[0-9a-f]{4})", re.IGNORECASE)
_DOTS, _SLASHES = "\u2024\u2025\u2026\ufe19\ufe30\ufe52\uff0e", "\uff0f\ufe68\uff3c"
_ENDS, _PERCENTS = "\u037e\ufe14\ufe54\uff1b\u2047\ufe16\ufe56\uff1f\ufe5f\uff03", "\ufe6a\uff05"
_LOOKALIKES: Final = str.maketrans(
    # Some servers normalize names (NFKC, UAX 15); Windows maps characters to a "best fit".
    {sign: normalize("NFKC", sign) for sign in _DOTS + _SLASHES + _ENDS + _PERCENTS}
    | {"\u2044": "/", "\u2215": "/", "\u2216": "\\"}
)
_OURS: Final = frozenset({"holdover", "healthz", "readyz", "metrics"})
_COMPLETION: Final = (("v1", "complete"), ("v1", "v1", "complete"), ("complete",))
"""Paths under which real clients reach the endpoint, also those whose base URL has a `/v1` too
many or whose own path has none (clients, rule 9)."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path that means the same to every server."""

    raw: bytes
    """The bytes that were sent, and that go upstream."""
    plain: str
    """The path with nothing left to decode."""
    names: tuple[str, ...]
    """Its segments in lower case, without empty ones and parameters."""


def read_path(raw: bytes) -> Path:
    """Read a path; raise `NotForwardable` if some server may take it for another path."""
    if not raw.startswith(b"/"):
        raise NotForwardable("path: it must start with /, as this proxy serves one upstream only")
    try:
        for reading in _readings(raw):
            if _CONTROL.search(reading):
                raise NotForwardable("path: leave out control characters")
            if _UPWARDS.search(reading):
                raise NotForwardable("path: leave out `.` and `..`")
    except UnicodeError as exc:
        raise NotForwardable("path: percent-encode it as UTF-8") from exc
    parts = (_END_OF_NAME.split(part, 1)[0] for part in _SEPARATOR.split(reading))
    names = (part.strip().casefold() for part in parts)
    return Path(raw, reading, tuple(name for name in names if name))


def _readings(raw: bytes) -> Iterator[str]:
    """Yield the path as sent, then decoded once more as long as that changes it."""
    reading, decodings = raw.decode().translate(_LOOKALIKES), 0
    yield reading
    while "%" in reading:
        decoded = unquote(reading, errors="strict")
        decoded = _WIDE_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), decoded)
        decoded = decoded.translate(_LOOKALIKES)
        if decoded == reading:
            break
        decodings += 1
        if decodings > _MAX_DECODINGS:
            raise NotForwardable("path: percent-encode it once")
        reading = decoded
        yield reading


def without_prefix(raw_path: bytes, prefix: str) -> bytes:
    """Remove the mount prefix; clients whose path lacks it are served just as well."""
    names = prefix.count("/") + 1
    parts = raw_path.split(b"/", names)
    is_there = prefix and unquote(b"/".join(parts[:names])) == prefix
    return b"/" + b"".join(parts[names:]) if is_there else raw_path


def is_completion_path(path: Path) -> bool:
    """Return True if a client that sends this path means `/v1/complete`."""
    return path.names in _COMPLETION


def is_bedrock_path(path: Path) -> bool:
    """Return True if a client that sends this path takes us for Bedrock (bedrock-vertex A3)."""
    return path.names[:1] == ("model",)


def is_own_page(path: Path, prefix: str) -> bool:
    """Return True if this may be a page of Holdover's own, with or without the mount prefix."""
    names, before = path.names, tuple(filter(None, prefix.casefold().split("/")))
    if names[: len(before)] == before:
        names = names[len(before) :]
    return next(dropwhile("v1".__eq__, names), None) in _OURS
