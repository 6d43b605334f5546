"""Queries for the last shadows of all rules, and for what is kept of a few of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from proxy.timestamps import DAY_MS
from proxy.traffic.content import SHADOW_PARTS
from proxy.traffic.record import ShadowRecord, TrafficRecord
from proxy.traffic.store.row_mapping import exchange_of_row, milliseconds_of, shadow_of_row
from proxy.traffic.store.schema import bodies, exchanges, shadows
from proxy.traffic.store.store import Store
from proxy.traffic.store.stored_json import StoredComparison, read_comparison
from proxy.traffic.store.text_search import decode_body

_CLIENTS: Final = "legacy_back"
_NOTHING: Final = StoredComparison()


@dataclass(frozen=True, slots=True)
class SeenShadow:
    """A shadow or control, in brief."""

    id: str
    leg: str
    ended_ms: int
    rule: str
    equal: bool
    similarity: float | None
    """None if there is nothing to compare."""
    is_readable: bool = True
    """False if a comparison was stored that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowedExchange:
    """A shadow, with its exchange and both answers, where these are kept."""

    shadow: ShadowRecord
    record: TrafficRecord | None
    answer: object | None
    """The answer that the client got."""
    shadow_answer: object | None


def latest_shadows(store: Store, since_ms: int, most: int) -> list[SeenShadow]:
    """Return the last shadows and controls that ended since then, newest first."""
    column = shadows.c
    query = (
        select(column.exchange_id, column.leg, column.ended_ms, column.rule, column.comparison)
        .where(column.ended_ms >= since_ms)
        .order_by(column.ended_ms.desc())
        .limit(most)
    )
    found: list[SeenShadow] = []
    with store.engine.connect() as connection:
        for name, leg, ended_ms, rule, written in connection.execute(query):
            compared = _NOTHING if written is None else read_comparison(written)
            is_readable = compared is not None
            equal, similarity = (compared or _NOTHING).equal, (compared or _NOTHING).similarity
            found.append(SeenShadow(name, leg, ended_ms, rule, equal, similarity, is_readable))
    return found


def shadowed_exchanges(store: Store, seen: Collection[SeenShadow]) -> list[ShadowedExchange]:
    """Return a few shadows with what is kept of their exchanges, in the same order."""
    if not seen:
        return []
    ids = {each.id for each in seen}
    # Bounds on the time let PostgreSQL look at few days; a shadow waits for much less than one.
    times = [each.ended_ms for each in seen]
    since_ms, until_ms = min(times) - DAY_MS, max(times) + DAY_MS
    with store.engine.connect() as connection:
        rows = connection.execute(select(shadows).where(shadows.c.exchange_id.in_(ids)))
        by_place = {
            (shadow.id, shadow.leg): shadow
            for shadow in (shadow_of_row(row._asdict()) for row in rows)
        }
        query = select(exchanges).where(
            exchanges.c.id.in_(ids), exchanges.c.received_ms.between(since_ms, until_ms)
        )
        records = {
            record.id: record
            for record in (exchange_of_row(row._asdict()) for row in connection.execute(query))
        }
        received = [milliseconds_of(record.received) for record in records.values()]
        kept = select(bodies.c.exchange_id, bodies.c.part, bodies.c.data).where(
            bodies.c.exchange_id.in_(ids),
            bodies.c.received_ms.in_(received),
            bodies.c.part.in_([_CLIENTS, *SHADOW_PARTS.values()]),
            bodies.c.data.is_not(None),
        )
        answers = {(name, part): decode_body(data) for name, part, data in connection.execute(kept)}
    return [
        ShadowedExchange(
            shadow=shadow,
            record=records.get(each.id),
            answer=answers.get((each.id, _CLIENTS)),
            shadow_answer=answers.get((each.id, SHADOW_PARTS.get(each.leg, ""))),
        )
        for each in seen
        if (shadow := by_place.get((each.id, each.leg))) is not None
    ]
