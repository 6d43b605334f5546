"""Build a filter from what people write: as options of a command, or in the form of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from proxy.rollout.rule_schema import Action
from proxy.spelling import or_rather
from proxy.time_options import since, until
from proxy.traffic.store.filters import Filter, InvalidFilter, conditions_of
from proxy.traffic.store.queries import unindexed_contents
from translators import FEATURES, AdjustmentKind

if TYPE_CHECKING:
    from proxy.traffic.store.store import Store

ADJUSTMENTS: Final = tuple(kind.value for kind in AdjustmentKind)
ROUTES: Final[tuple[str, ...]] = get_args(Action)
MAX_UNINDEXED_CONTENTS: Final = 40_000
"""Exchanges whose bodies are read for a text unless it is said since when: about ten seconds."""


def filter_of(options: Mapping[str, str | None], now: datetime) -> Filter:
    """Return the filter that options describe; raise `InvalidFilter` or `InvalidTime`."""
    # Bytes of the command line that are not UTF-8 cannot be in a store, and no database takes them.
    given: dict[str, Any] = {
        name: value.encode(errors="replace").decode() for name, value in options.items() if value
    }
    begin, end = given.pop("since", None), given.pop("until", None)
    filters = Filter(
        since=since(begin, now) if begin else None, until=until(end, now) if end else None, **given
    )
    for what, name, known in (
        ("a kind of adjustment", filters.adjustment, ADJUSTMENTS),
        ("a feature of the legacy API", filters.feature, FEATURES),
        ("a route", filters.route, ROUTES),
    ):
        if name is not None and name not in known:
            choices = f"; use one of {', '.join(known)}"
            raise InvalidFilter(f"{name!r} is not {what}{or_rather(name, known, choices)}")
    conditions_of(filters)  # raises InvalidFilter
    return filters


def with_names(wanted: Filter, names: Mapping[str, str]) -> Filter:
    """Return the filter for a caller that has its name since; `names` are by digest."""
    return replace(
        wanted, digests=frozenset(each for each, name in names.items() if name == wanted.caller)
    )


def reads_too_much(store: Store, wanted: Filter, most: int = MAX_UNINDEXED_CONTENTS) -> bool:
    """Return True if more than `most` exchanges would have their bodies read, one by one."""
    return unindexed_contents(store, wanted, at_most=most + 1) > most
