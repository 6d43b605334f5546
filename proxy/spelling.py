"""Names that are probably meant where somebody has typed one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_LIKE: Final = 0.6
"""How alike two names are of which one may be meant by the other: 1 is equal."""


def nearest(given: str, known: Iterable[str], *, alike: float = _LIKE) -> str | None:
    """Return the known name that is most like the given one in any case, if one is like it."""
    names = {name.casefold(): name for name in known}
    return next(
        (names[name] for name in get_close_matches(given.casefold(), names, n=1, cutoff=alike)),
        None,
    )


def or_rather(given: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return "; did you mean ...?" if a known name is like the given one, or else `otherwise`."""
    near = nearest(given, known)
    return f"; did you mean `{near}`?" if near else otherwise
