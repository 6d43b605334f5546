"""
What a path means, whoever reads it.

A server may decode a path once, twice or not at all, take `\\` for `/`, cut off
what follows a semicolon, and go up at `..`; which of this an upstream does, we
do not know. So a path is looked at in every reading, from the one that was sent
to the one in which nothing is left to decode. What is fine in all of them goes
upstream as the bytes that came; routes go by the last reading.
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
"""Each server on the way may decode once; nobody who means well encodes more than twice."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UPWARDS: Final = re.compile(r"[/\\]\s*\.{1,2}\s*(?:[/\\;?#]|\Z)")
_SEPARATOR: Final = re.compile(r"[/\\]")
_END_OF_NAME: Final = re.compile(r"[;?#]")  # `..;` is `..` to Tomcat
# IIS has escapes of its own.
_WIDE_ESCAPE: Final = re.compile(r"%u((?!d[89a-f])[0-9a-f]{4})", re.IGNORECASE)
_DOTS, _SLASHES = "\u2024\u2025\u2026\ufe19\ufe30\ufe52\uff0e", "\uff0f\ufe68\uff3c"
_ENDS, _PERCENTS = "\u037e\ufe14\ufe54\uff1b\u2047\ufe16\ufe56\uff1f\ufe5f\uff03", "\ufe6a\uff05"
_LOOKALIKES: Final = str.maketrans(
    # Some servers put names into their compatibility form (UAX 15), Windows into their "best fit".
    {sign: normalize("NFKC", sign) for sign in _DOTS + _SLASHES + _ENDS + _PERCENTS}
    | {"\u2044": "/", "\u2215": "/", "\u2216": "\\"}
)
_OURS: Final = frozenset({"holdover", "healthz", "readyz", "metrics"})
_COMPLETION: Final = (("v1", "complete"), ("v1", "v1", "complete"))
"""As real clients come to write it (clients, rule 9)."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path that leads nowhere else than it says, by any reading."""

    raw: bytes
    """As it came, and as it goes on."""
    plain: str
    """With nothing left to decode."""
    names: tuple[str, ...]
    """What it is made of, in lower case, without empty names and parameters."""


def read_path(raw: bytes) -> Path:
    """Read a path; `NotForwardable` if to any server it may be the way to another place."""
    if not raw.startswith(b"/"):
        raise NotForwardable("This is a proxy for one upstream: ask for a path of it.")
    try:
        for reading in _readings(raw):
            if _CONTROL.search(reading):
                raise NotForwardable("path: leave out control characters")
            if _UPWARDS.search(reading):
                raise NotForwardable("path: leave out `.` and `..`")
    except UnicodeError as exc:
        raise NotForwardable("path: percent-encode it as UTF-8") from exc
    return Path(raw, reading, tuple(filter(None, map(_name, _SEPARATOR.split(reading)))))


def _readings(raw: bytes) -> Iterator[str]:
    """The path as it is, and decoded once more as long as that makes a difference."""
    reading, decodings = raw.decode().translate(_LOOKALIKES), 0
    yield reading
    while "%" in reading and (decoded := _decoded(reading)) != reading:
        decodings += 1
        if decodings > _MAX_DECODINGS:
            raise NotForwardable("path: percent-encode it once")
        reading = decoded
        yield reading


def _decoded(text: str) -> str:
    text = unquote(text, errors="strict")
    return _WIDE_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text).translate(_LOOKALIKES)


def _name(part: str) -> str:
    return _END_OF_NAME.split(part, 1)[0].strip().casefold()


def without_prefix(raw_path: bytes, prefix: str) -> bytes:
    """Take off the mount prefix; a client that lost it on the way is served all the same."""
    names = prefix.count("/") + 1
    parts = raw_path.split(b"/", names)
    is_there = prefix and unquote(b"/".join(parts[:names])) == prefix
    return b"/" + b"".join(parts[names:]) if is_there else raw_path


def is_completion_path(path: Path) -> bool:
    """Whether a client that writes this means `/v1/complete`."""
    return path.names in _COMPLETION


def is_of_bedrock(path: Path) -> bool:
    """Whether a client that writes this takes us for Bedrock (bedrock-vertex A3)."""
    return path.names[:1] == ("model",)


def is_ours(path: Path, prefix: str) -> bool:
    """Whether this reads like a page of Holdover's own, with or without what stands before it."""
    names, before = path.names, tuple(filter(None, prefix.casefold().split("/")))
    if names[: len(before)] == before:
        names = names[len(before) :]
    return next(dropwhile("v1".__eq__, names), None) in _OURS
