"""What rules decide about: how many exchanges each has decided, and what the newest were like."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from sqlalchemy import BigInteger, ColumnElement, cast, func, null, select

from proxy.outcome import Outcome
from proxy.traffic.store.rollups.period import period_of_buckets
from proxy.traffic.store.rollups.sums import Kind
from proxy.traffic.store.schema import exchanges, rollup_groups, rollups
from proxy.traffic.store.store import Store

Looked: TypeAlias = Literal["asked_model", "user_agent", "version", "streamed"]
"""Columns of an exchange that rules may look at, besides its caller."""

_columns: Final = exchanges.c
_group: Final = rollup_groups.c
# PostgreSQL's sums of integers are of another type.
_COUNT: Final = cast(func.sum(rollups.c.exchanges), BigInteger)


@dataclass(frozen=True, slots=True)
class Decided:
    """Exchanges that a rule has decided, and how many of them ended in an error."""

    exchanges: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestGroup:
    """Exchanges that are alike in all that was asked for; the other fields are None."""

    caller: str | None
    caller_name: str | None
    rule: str | None
    """The rule that has decided."""
    readable: bool
    """True if the request was understood as one of the legacy API."""
    asked_model: str | None
    user_agent: str | None
    version: str | None
    streamed: bool | None
    exchanges: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestRequests:
    """The newest exchanges since a time, in groups."""

    groups: tuple[RequestGroup, ...]
    has_more: bool
    """True if there were more since then than were read."""


def decided_by_rule(store: Store, since_ms: int, until_ms: int) -> dict[str | None, Decided]:
    """Return what each rule has decided in a period; None stands for exchanges without a rule."""
    with store.reading() as connection:
        period = period_of_buckets(connection, since_ms, until_ms)
        query = (
            select(_group.rule, _group.outcome, _COUNT)
            .join_from(rollups, rollup_groups, rollups.c.key == _group.key)
            .where(period.contains_bucket(Kind.SHAPE), _group.is_other.is_(False))
            .group_by(_group.rule, _group.outcome)
        )
        rows = connection.execute(query).all()
    found: dict[str | None, Decided] = {}
    for rule, outcome, count in rows:
        before = found.get(rule, Decided())
        errors = count if Outcome(outcome).is_error else 0
        found[rule] = Decided(before.exchanges + count, before.errors + errors)
    return found


def newest_requests(
    store: Store, since_ms: int, most: int, looked: Collection[Looked]
) -> NewestRequests:
    """Return at most so many of the newest exchanges, grouped by these columns and their caller."""
    is_since = _columns.received_ms >= since_ms
    columns: list[ColumnElement[Any]] = [
        _columns.caller,
        _columns.caller_name,
        _columns.rule,
        _columns.asked_model.is_not(None).label("readable"),
        *(_columns[name] if name in looked else null().label(name) for name in get_args(Looked)),
    ]
    newest = (
        select(*columns)
        .where(is_since)
        .order_by(_columns.received_ms.desc())
        .limit(most)
        .subquery()
    )
    grouped = select(newest, func.count().label("exchanges")).group_by(*newest.c)
    beyond = select(_columns.received_ms).where(is_since).offset(most).limit(1)
    with store.reading() as connection:
        groups = tuple(RequestGroup(**row._mapping) for row in connection.execute(grouped))  # noqa: SLF001
        return NewestRequests(
            groups=groups, has_more=connection.execute(beyond).first() is not None
        )
