"""What the shadows of a period came to, counted where they are kept."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import JSON, ColumnElement, case, cast, func, select, type_coerce

from proxy.traffic.store.filters import Filter, conditions_of
from proxy.traffic.store.schema import exchanges, shadows
from proxy.traffic.store.store import Store


class ShadowGroup(NamedTuple):
    """Shadows, or controls, of one rule that failed for one reason, or did not."""

    rule: str
    leg: str
    failure: str | None
    exchanges: int
    similarity: float | None
    """The sum of them."""
    equal: int


def aggregate_shadows(store: Store, wanted: Filter) -> tuple[ShadowGroup, ...]:
    """Of the exchanges that are meant."""
    compared = _as_json(store)
    keys = (shadows.c.rule, shadows.c.leg, shadows.c.failure)
    is_equal = case((compared["equal"].as_boolean(), 1), else_=0)
    query = (
        select(
            *(*keys, func.count()),
            func.sum(compared["similarity"].as_float()),
            func.sum(is_equal),
        )
        .join_from(shadows, exchanges, shadows.c.exchange_id == exchanges.c.id)
        # They ended later than they were received: the index on it leaves out the rest.
        .where(*conditions_of(wanted), shadows.c.ended_ms >= (wanted.since or 0))
        .group_by(*keys)
    )
    with store.engine.connect() as connection:
        return tuple(ShadowGroup._make(row) for row in connection.execute(query))


def _as_json(store: Store) -> ColumnElement[Any]:
    """SQLite reads JSON out of text; PostgreSQL wants to be told that it is some."""
    comparison = shadows.c.comparison
    if store.engine.dialect.name == "sqlite":
        return type_coerce(comparison, JSON)
    return cast(comparison, JSON)
