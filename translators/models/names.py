"""
Read a model's name in the spelling of clouds, gateways and old menus.

    us.anthropic.claude-haiku-4-5-20251001-v1:0    Bedrock, with and without a region
    arn:aws:bedrock:...:inference-profile/us.anthropic.claude-sonnet-4-6
    claude-haiku-4-5@20251001                      Vertex
    anthropic/claude-haiku-4.5, openrouter/anthropic/claude-2:beta
    anthropic--claude-4.5-haiku, databricks-claude-sonnet-4-6, anthropic/claude-4.6-opus-20260205
    claude-sonnet-4-6[1m], anthropic/claude-opus-4.6-fast, ~anthropic/claude-opus-latest
    bedrock:anthropic.claude-sonnet-4-6, claude-4.6-sonnet-medium-thinking

A name in such a spelling is sent as it is; only its meaning is looked up. Facts: bedrock-vertex
B3, B4 (how ids are spelled), legacy-wire 8 (names of the retired families).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_REGION: Final = re.compile(r"\A[a-z_]{2,12}(?:-[a-z0-9]{1,9}){0,3}\.(?=anthropic\.|claude-)")
"""Any region: clouds add new ones, and what follows leaves no doubt."""
_PROVIDER: Final = re.compile(r"\A[a-z][a-z0-9_-]{1,31}:(?=[a-z0-9_.-]{0,32}claude-)")
_VENDOR: Final = re.compile(r"\Aanthropic\.")
_VENDOR_OF_OTHERS: Final = re.compile(r"\A(?:anthropic|databricks)--?(?=claude-)")
_BEDROCK_VERSION: Final = re.compile(r"(?:-v\d+)?(?::\d+)?(?::\d+k)?\Z")
_MODE: Final = re.compile(
    r"(?:\[\w{1,8}\]|-(?:fast|thinking|low|medium|x?high|max|\d{1,4}[km])){0,3}"
    r"(?::[a-z][a-z0-9_-]*)?\Z",
    re.ASCII,
)
"""How the model is to run: speed, effort, the length of its context, a gateway's `:beta`."""
_DOTTED: Final = re.compile(r"(?<=\d)\.(?=\d)")
_VERSION_FIRST: Final = re.compile(r"\Aclaude-(\d(?:-\d)?)-(haiku|sonnet|opus|fable|mythos)\b")
_DATE: Final = re.compile(r"-20\d{6}")
_DATE_LENGTH: Final = len("-20260205")
_ANY_DATE: Final = ("@latest", "@default", "-latest")

_LEGACY_FAMILY: Final = re.compile(r"\Aclaude-(?:(instant)|v?([12])(?!\d)|v\Z|v-|v\d|[12]00k)")
_FAMILY_HEADS: Final = {"instant": "claude-instant-1", "1": "claude-1", "2": "claude-2"}


def plain_names(name: str) -> Iterator[str]:
    """Yield what a name may be called in the catalogue, the likeliest first."""
    plain = _MODE.sub("", _without_way(name))
    yield plain
    for ending in _ANY_DATE:
        plain = plain.removesuffix(ending)
    plain = _DOTTED.sub("-", plain.replace("@", "-"))
    unversioned = _BEDROCK_VERSION.sub("", plain)
    # A gateway may date an id that has no date: ids with one are found before.
    is_dated = _DATE.fullmatch(unversioned[-_DATE_LENGTH:])
    undated = unversioned[:-_DATE_LENGTH] if is_dated else unversioned
    for spelled in dict.fromkeys((plain, unversioned, undated)):
        yield spelled
        yield _VERSION_FIRST.sub(r"claude-\2-\1", spelled)


def legacy_family(name: str) -> str | None:
    """
    Return the head of the retired family that a name belongs to, or None.

    The families are those of the Text Completions API: `claude-instant*`, `claude-v*`,
    `claude-1*` and `claude-2*`, whatever follows.
    """
    if (found := _LEGACY_FAMILY.match(_without_way(name))) is None:
        return None
    return _FAMILY_HEADS[found[1] or found[2] or "1"]


def _without_way(name: str) -> str:
    """Return a name without the gateways, the provider, the region and the vendor before it."""
    plain = _PROVIDER.sub("", name.lower().rpartition("/")[2])
    return _VENDOR_OF_OTHERS.sub("", _VENDOR.sub("", _REGION.sub("", plain)))
