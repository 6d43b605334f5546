"""The models that `/v1/complete` ever served, and their aliases (legacy-wire 8.1)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MAX_LEGACY_OUTPUT_TOKENS: Final = 4_096  # longer answers were cut silently (legacy-wire 8.2)

# An alias was a major version, and answers named its newest minor version (legacy-wire 2.2);
# the `-v` names of early 2023 were returned unchanged.
_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "claude-1": "claude-1.3",
        "claude-1-100k": "claude-1.3-100k",
        "claude-2": "claude-2.0",
        "claude-instant-1": "claude-instant-1.2",
        "claude-instant-1-100k": "claude-instant-1.1-100k",
    }
)
_NAMES: Final = frozenset(
    [
        *_ALIASES,
        *_ALIASES.values(),
        *(f"claude-{name}" for name in ("1.0", "1.1", "1.2", "2.1")),
        *(f"claude-instant-{name}" for name in ("1.0", "1.1")),
        *(f"claude-v1{suffix}" for suffix in ("", "-100k", ".0", ".1", ".2", ".3", ".3-100k")),
        *(f"claude-instant-v1{suffix}" for suffix in ("", "-100k", ".0", ".1", ".1-100k")),
    ]
)


def resolve_legacy_model(name: str) -> str | None:
    """Return the model that an id or alias means, or None if it was never served."""
    return _ALIASES.get(name, name) if name in _NAMES else None
