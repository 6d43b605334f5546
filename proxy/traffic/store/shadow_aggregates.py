"""Counts and sums over the shadows of a period, computed by the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ColumnElement, case, cast, func, select, type_coerce

from proxy.traffic.store.filters import Filter, conditions_of
from proxy.traffic.store.schema import exchanges, shadows
from proxy.traffic.store.store import Store


@dataclass(frozen=True, slots=True)
class ShadowGroup:
    """Shadows or controls of one rule with the same failure; None if they succeeded."""

    rule: str
    leg: str
    failure: str | None
    exchanges: int
    similarity: float | None
    """Sum of the similarities; None if nothing was compared."""
    equal: int
    """Number of equal answers."""


def aggregate_shadows(store: Store, wanted: Filter) -> tuple[ShadowGroup, ...]:
    """Group the shadows of the matching exchanges by rule, leg and failure."""
    # SQLite reads JSON from text; PostgreSQL needs a cast.
    is_sqlite = store.engine.dialect.name == "sqlite"
    comparison = shadows.c.comparison
    compared: ColumnElement[Any] = (
        type_coerce(comparison, JSON) if is_sqlite else cast(comparison, JSON)
    )
    keys = (shadows.c.rule, shadows.c.leg, shadows.c.failure)
    is_equal = case((compared["equal"].as_boolean(), 1), else_=0)
    query = (
        select(
            *(*keys, func.count()),
            func.sum(compared["similarity"].as_float()),
            func.sum(is_equal),
        )
        .join_from(shadows, exchanges, shadows.c.exchange_id == exchanges.c.id)
        # A shadow ends after its exchange was received, so this index excludes older rows.
        .where(*conditions_of(wanted), shadows.c.ended_ms >= (wanted.since or 0))
        .group_by(*keys)
    )
    with store.engine.connect() as connection:
        return tuple(ShadowGroup(*row) for row in connection.execute(query))
