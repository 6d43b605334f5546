"""
Counts and sums over the exchanges of a period, computed by the database.

Each kind of group needs one pass over the period, and two passes run at a time. Most counts
are grouped by the shape of exchanges; the columns that a shape stands for are read from its
last exchange. Clients can create as many groups as exchanges, so only the largest groups are
returned, and `is_cut` tells if there were more.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, select

from proxy.outcome import Outcome
from proxy.traffic.store.filters import Filter, conditions_of
from proxy.traffic.store.schema import bodies, exchanges
from proxy.traffic.store.store import Store

Who = str | None
"""The name of a caller, or the digest of its key; None if it sent no key."""

_MAX_GROUPS: Final = 50_000
_PARALLEL_PASSES: Final = 2

_columns: Final = exchanges.c
_WHO: Final = func.coalesce(_columns.caller_name, _columns.caller)
_COUNT: Final = func.count()
# A row without a shape, from an older version, is a group of its own.
_SHAPE: Final = func.coalesce(_columns.shape, -_columns.seq)


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of an exchange, as far as reports distinguish it."""

    route: str | None
    status: int | None
    error_type: str | None
    outcome: Outcome
    is_rescued: bool = False
    """True if the first route failed and the fallback was tried."""


@dataclass(frozen=True, slots=True)
class ShapeGroup:
    """Exchanges of one shape; `features` and `adjustments` are JSON."""

    shape: int
    who: Who
    name: str | None
    digest: str | None
    dialect: str | None
    streamed: bool
    features: str
    rule: str | None
    asked: str | None
    sent: str | None
    """The model sent upstream; None if no request was made, so no adjustments are known."""
    adjustments: str
    """Adjustments of the last exchange; all have the same kinds."""
    ending: Ending
    exchanges: int
    first_ms: int
    last_ms: int
    input_tokens: float
    output_tokens: float
    latest_seq: int
    """`seq` of the last exchange."""


@dataclass(frozen=True, slots=True)
class ClientGroup:
    """Exchanges of one caller with one SDK and one user agent."""

    who: Who
    sdk: str | None
    user_agent: str | None
    exchanges: int


@dataclass(frozen=True, slots=True)
class LatencyGroup:
    """
    Exchanges with the same durations: milliseconds, rounded up to two digits.

    A duration is None if that point was never reached.
    """

    who: Who
    total: int
    first_byte: int | None
    first_token: int | None
    exchanges: int


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """Exchanges of one step of time; steps are numbered from the epoch."""

    step: int
    outcome: Outcome
    exchanges: int


@dataclass(frozen=True, slots=True)
class CapturedGroup:
    """Exchanges of one shape whose request body is kept."""

    shape: int
    exchanges: int
    latest_seq: int
    """`seq` of the last exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregates:
    """The groups of exchanges that a report needs."""

    shapes: tuple[ShapeGroup, ...]
    clients: tuple[ClientGroup, ...]
    latencies: tuple[LatencyGroup, ...]
    buckets: tuple[TimeBucket, ...]
    captured: tuple[CapturedGroup, ...]
    is_cut: bool


def aggregate(
    store: Store, wanted: Filter, step_ms: int, *, most_groups: int = _MAX_GROUPS
) -> Aggregates:
    """Count the matching exchanges; time buckets are `step_ms` long."""
    passes = _passes(store, wanted, step_ms, most_groups)
    with ThreadPoolExecutor(_PARALLEL_PASSES) as pool:
        rows = list(pool.map(lambda query: _rows(store, query), passes))
    shapes, clients, latencies, buckets, captured = rows
    return Aggregates(
        shapes=tuple(map(_shape_group, shapes)),
        clients=tuple(ClientGroup(*row) for row in clients),
        latencies=tuple(LatencyGroup(*row) for row in latencies),
        buckets=tuple(TimeBucket(step, Outcome(word), count) for step, word, count in buckets),
        captured=tuple(CapturedGroup(*row) for row in captured),
        is_cut=max(len(shapes), len(clients)) == most_groups,
    )


def _shape_group(row: Sequence[Any]) -> ShapeGroup:
    route, status, error_type, outcome, is_rescued = row[11:16]
    ending = Ending(route, status, error_type, Outcome(outcome), is_rescued)
    return ShapeGroup(*(*row[:11], ending, *row[16:]))


def oldest_received_ms(store: Store) -> int | None:
    """Return the time of the oldest exchange in milliseconds; None if the store is empty."""
    oldest: int | None = _rows(store, select(func.min(_columns.received_ms)))[0][0]
    return oldest


def _passes(store: Store, wanted: Filter, step_ms: int, most: int) -> list[Select[Any]]:
    """Return the queries, in the order of the fields of `Aggregates`."""
    # Rows that are loaded while the passes run are left out of all of them.
    highest = _rows(store, select(func.coalesce(func.max(_columns.seq), 0)))[0][0]
    # `+ 0` keeps SQLite from using the index on `seq` instead of the one on the time.
    conditions = [*conditions_of(wanted), _columns.seq + 0 <= highest]
    durations = (_columns.total_ms, _columns.first_byte_ms, _columns.first_token_ms)
    step = _columns.received_ms // step_ms
    captured: Select[*tuple[Any, ...]] = (
        select(_SHAPE, _COUNT, func.max(_columns.seq))
        .join_from(bodies, exchanges, bodies.c.exchange_id == _columns.id)
        .where(bodies.c.part == "legacy_in", bodies.c.data.is_not(None))
        .where(bodies.c.received_ms >= (wanted.since or 0))
        .group_by(_SHAPE)
    )
    queries = [
        _largest(_grouped((_WHO, _columns.sdk, _columns.user_agent)), most),
        _grouped((_WHO, *map(_rounded_up, durations))),
        _grouped((step, _columns.outcome)),
        _largest(captured, most),
    ]
    return [
        _by_shape(conditions, most),
        *(query.where(*conditions) for query in queries),
    ]


def _by_shape(conditions: Sequence[ColumnElement[bool]], most: int) -> Select[Any]:
    """Group by the shape, and read the columns behind it from the last row of each group."""
    sums = (
        *(func.min(_columns.received_ms), func.max(_columns.received_ms)),
        func.coalesce(func.sum(_columns.input_tokens), 0.0),
        func.coalesce(func.sum(_columns.output_tokens), 0.0),
        func.max(_columns.seq),
    )
    grouped = _grouped((_SHAPE,), *sums).where(*conditions)
    groups = _largest(grouped, most).subquery()
    shape, count, *rest, latest = groups.c
    described = (
        *(_WHO, _columns.caller_name, _columns.caller, _columns.dialect, _columns.streamed),
        *(_columns.features, _columns.rule, _columns.asked_model, _columns.sent_model),
        *(_columns.adjustments, _columns.route, _columns.status, _columns.error_type),
        *(_columns.outcome, _columns.first_failure.is_not(None)),
    )
    return select(shape, *described, count, *rest, latest).join_from(
        groups, exchanges, _columns.seq == latest
    )


def _largest(query: Select[Any], most: int) -> Select[Any]:
    return query.order_by(_COUNT.desc()).limit(most)


def _grouped(keys: tuple[ColumnElement[Any], ...], *sums: ColumnElement[Any]) -> Select[Any]:
    """Group by the labels of the keys; given expressions, SQLite would compute them twice."""
    labels = [key.label(f"key_{number}") for number, key in enumerate(keys)]
    return select(*labels, _COUNT, *sums).group_by(*(label.name for label in labels))


def _rounded_up(milliseconds: ColumnElement[float]) -> ColumnElement[int]:
    """
    Round milliseconds up to two significant digits, and to at least one millisecond.

    This leaves few groups for a histogram and an error of at most a tenth. It avoids
    logarithms and `ceil`, which not every SQLite has.
    """
    # Durations have at most microseconds, so adding 0.4999 rounds any fraction up.
    whole = cast(func.round(milliseconds + 0.4999), BigInteger)
    steps = [10**power for power in range(7)]
    rounded = [(whole + step - 1) // step * step for step in steps]
    fits = [milliseconds <= 100 * step for step in steps]
    # NULL stays NULL.
    return case(*zip(fits, rounded, strict=True), else_=rounded[-1])


def _rows(store: Store, query: Select[Any]) -> Sequence[Any]:
    with store.engine.connect() as connection:
        return connection.execute(query).all()
