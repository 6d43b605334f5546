"""
Counts and sums over the exchanges and shadows of a period, read from the rollups.

So they cost the same however many exchanges there were. Clients can create as many groups as
exchanges: what found no room in a time bucket, or is beyond the largest groups here, is counted
in the buckets of time only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, and_, cast, func, or_, select

from proxy.outcome import Outcome
from proxy.timestamps import DAY_MS, HOUR_MS, MINUTE_MS
from proxy.traffic.store.filters import may_be_digest
from proxy.traffic.store.rollups.period import Period
from proxy.traffic.store.rollups.sketch import Sketch, decode_sketch, merge_into
from proxy.traffic.store.rollups.sums import STEPS_MS, Kind
from proxy.traffic.store.schema import rollup_groups, rollups

Who = str | None
"""The name of a caller, or the digest of its key; None if it sent no key."""

NOBODY: Final = "none"
"""Stands for those who send no key, where one caller is asked for."""

_MAX_GROUPS: Final = 50_000
_FEW: Final = 200
"""Number of groups up to which their rows are looked for."""
_NO_NAMES: Final[Mapping[str, str]] = {}

_columns: Final = rollups.c
_group: Final = rollup_groups.c
_WHO: Final = func.coalesce(_group.caller_name, _group.caller)
# PostgreSQL's sums of integers are of another type.
_COUNT: Final = cast(func.sum(_columns.exchanges), BigInteger)


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
    """Exchanges of one shape; `features` and `adjustments`, their kinds, are JSON."""

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
    ending: Ending
    exchanges: int
    first_ms: int
    last_ms: int
    input_tokens: float
    output_tokens: float
    captured: int
    """Number of exchanges whose request body was kept."""


@dataclass(frozen=True, slots=True)
class ClientGroup:
    """Exchanges of one caller with one SDK and one user agent, and how long they took."""

    who: Who
    sdk: str | None
    user_agent: str | None
    exchanges: int
    latency: Sketch = field(default_factory=Sketch)


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """Exchanges of one step of time; steps are numbered from the epoch."""

    step: int
    outcome: Outcome
    exchanges: int


@dataclass(frozen=True, slots=True)
class CallerDay:
    """Exchanges of one caller on one day; days are numbered from the epoch."""

    day: int
    who: Who
    exchanges: int


@dataclass(frozen=True, slots=True)
class ShadowGroup:
    """Shadows or controls of one rule with the same failure; None if they succeeded."""

    rule: str
    leg: str
    failure: str | None
    exchanges: int
    similarity: float
    """Sum of the similarities."""
    equal: int
    """Number of equal answers."""


@dataclass(frozen=True, slots=True)
class ExampleKey:
    """The id of a stored exchange, and its time, which says in which day's partition it is."""

    id: str
    received_ms: int


@dataclass(frozen=True, slots=True)
class ShapeExample:
    """The last exchange of a shape, and the last with a request body, if there is one."""

    latest: ExampleKey
    captured: ExampleKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregates:
    """The groups of exchanges that a report needs."""

    shapes: tuple[ShapeGroup, ...]
    clients: tuple[ClientGroup, ...]
    buckets: tuple[TimeBucket, ...]
    shadows: tuple[ShadowGroup, ...]
    without_program: int
    """Number of exchanges whose SDK and user agent found no room."""


def aggregate(  # noqa: PLR0913 - the last two have defaults
    connection: Connection,
    period: Period,
    caller: str | None,
    step_ms: int,
    *,
    names: Mapping[str, str] = _NO_NAMES,
    is_exact: bool = False,
    most_groups: int = _MAX_GROUPS,
    is_brief: bool = False,
) -> Aggregates:
    """
    Sum up a period, of one caller or of all; steps of time are `step_ms` long.

    A caller is given by its name, or by its digest or the beginning of it. `names` are those that
    the settings give to digests, which belong to a caller of that name, too. With `is_exact`, only
    one caller can match: it is given by its name, by its whole digest, or as `NOBODY`. In brief,
    programs with their latencies and shadows are left out, which takes half of the time.
    """
    conditions: list[ColumnElement[bool]] = []
    if caller is not None:
        conditions.append(_is_only(caller, names) if is_exact else _is_caller(caller, names))
    shapes = connection.execute(_by_shape(period, conditions, most_groups))
    without_program = connection.execute(
        _summed(Kind.PROGRAM, period, (), _COUNT).where(*_among([_group.is_other]))
    ).scalar()
    clients = {} if is_brief else _clients(connection, period, conditions, most_groups)
    _add_latencies(connection, period, clients)
    return Aggregates(
        shapes=tuple(_shape_group(row) for row in shapes),
        clients=tuple(clients.values()),
        buckets=tuple(_time_buckets(connection, period, conditions, step_ms)),
        shadows=() if is_brief else tuple(_shadows(connection, period, conditions)),
        without_program=without_program or 0,
    )


def aggregate_callers(
    connection: Connection, period: Period, *, most_groups: int = _MAX_GROUPS
) -> Aggregates:
    """Sum up a period by caller only: there are no latencies, no steps of time and no shadows."""
    return Aggregates(
        shapes=tuple(
            _shape_group(row) for row in connection.execute(_by_shape(period, [], most_groups))
        ),
        clients=tuple(_clients(connection, period, [], most_groups).values()),
        buckets=(),
        shadows=(),
        without_program=0,
    )


def shadow_groups(connection: Connection, period: Period) -> tuple[ShadowGroup, ...]:
    """Sum up the shadows of a period."""
    return tuple(_shadows(connection, period, []))


def exchanges_in(connection: Connection, period: Period) -> int:
    """Return the number of exchanges in a period."""
    count = select(_COUNT).where(period.contains_bucket(Kind.SHAPE))
    return connection.execute(count).scalar() or 0


def exchanges_by_day(connection: Connection, period: Period) -> list[CallerDay]:
    """Return how much each caller asked on each day, but for callers that found no room."""
    day = (_columns.begin_ms // DAY_MS).label("day")
    query = _summed(Kind.SHAPE, period, (day, _WHO), _COUNT).where(_group.is_other.is_(False))
    return [CallerDay(*row) for row in connection.execute(query.having(_COUNT > 0))]


def coarsest_step_ms(connection: Connection, period: Period) -> int:
    """Return the length of the longest time bucket in the period, at least a minute."""
    for step in (DAY_MS, HOUR_MS):
        of_step = (period.contains_bucket(Kind.SHAPE), _columns.step_ms == step)
        query = select(_columns.key).where(*of_step).limit(1)
        if connection.execute(query).first() is not None:
            return step
    return MINUTE_MS


def oldest_received_ms(connection: Connection) -> int | None:
    """Return the time of the oldest exchange in milliseconds; None if there is none."""
    is_shape = _columns.kind == Kind.SHAPE
    oldest: list[int] = []
    for step in STEPS_MS:
        of_step = (is_shape, _columns.step_ms == step)
        begin = connection.execute(select(func.min(_columns.begin_ms)).where(*of_step)).scalar()
        first = select(func.min(_columns.first_ms)).where(*of_step, _columns.begin_ms == begin)
        if begin is not None:
            oldest.append(connection.execute(first).scalar_one())
    return min(oldest, default=None)


def caller_names(connection: Connection) -> list[str]:
    """Return the names of all callers that are in the rollups."""
    names = select(_group.caller_name).where(_group.caller_name.is_not(None)).distinct()
    return list(connection.execute(names).scalars())


def examples_of(
    connection: Connection, period: Period, shapes: Collection[int]
) -> dict[int, ShapeExample]:
    """Return the last exchanges of some shapes within the period, by shape."""
    within = (period.contains_bucket(Kind.SHAPE), _columns.key.in_(shapes))
    latest = _last(connection, within, _columns.last_ms, _columns.latest_id)
    has_one = (*within, _columns.captured_id != "")
    captured = _last(connection, has_one, _columns.captured_ms, _columns.captured_id)
    return {shape: ShapeExample(example, captured.get(shape)) for shape, example in latest.items()}


def _last(
    connection: Connection,
    conditions: Sequence[ColumnElement[bool]],
    time_ms: ColumnElement[int],
    wanted: ColumnElement[str],
) -> dict[int, ExampleKey]:
    """Return the exchange in the row of each group whose time is the last, by key of the group."""
    last = (
        select(_columns.key, func.max(time_ms).label("time_ms"))
        .where(*conditions)
        .group_by(_columns.key)
        .subquery()
    )
    is_last = (_columns.key == last.c.key, time_ms == last.c.time_ms)
    query = select(_columns.key, wanted, time_ms).join_from(rollups, last, is_last[0] & is_last[1])
    found = connection.execute(query.where(*conditions))
    return {key: ExampleKey(name, received_ms) for key, name, received_ms in found}


def is_known_caller(connection: Connection, caller: str) -> bool:
    """Return True if the rollups have a caller of this name, or of this digest without a name."""
    query = select(_group.key).where(_is_only(caller, _NO_NAMES)).limit(1)
    return connection.execute(query).first() is not None


def _is_only(caller: str, names: Mapping[str, str]) -> ColumnElement[bool]:
    digests = [caller, *_digests_of(caller, names)]
    conditions: list[ColumnElement[bool]] = [_group.caller.in_(digests)]
    if caller == NOBODY:
        conditions.append(and_(_group.caller.is_(None), _group.is_other.is_(False)))
    return or_(_group.caller_name == caller, and_(_group.caller_name.is_(None), or_(*conditions)))


def _digests_of(caller: str, names: Mapping[str, str]) -> list[str]:
    return [digest for digest, name in names.items() if name == caller]


def _is_caller(caller: str, names: Mapping[str, str]) -> ColumnElement[bool]:
    conditions = [_group.caller_name == caller]
    if digests := _digests_of(caller, names):
        conditions.append(and_(_group.caller_name.is_(None), _group.caller.in_(digests)))
    if may_be_digest(caller):
        conditions.append(_group.caller.startswith(caller))
    return or_(*conditions)


def _summed(
    kind: Kind, period: Period, keys: Sequence[ColumnElement[Any]], *sums: ColumnElement[Any]
) -> Select[Any]:
    return (
        select(*keys, *sums)
        .join_from(rollups, rollup_groups, _columns.key == _group.key)
        .where(period.contains_bucket(kind))
        .group_by(*keys)
    )


def _among(conditions: Sequence[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """Match the groups of rows before these are joined, as there are few of one caller."""
    return [_columns.key.in_(select(_group.key).where(*conditions))] if conditions else []


def _by_shape(period: Period, conditions: Sequence[ColumnElement[bool]], most: int) -> Select[Any]:
    """Sum up by key alone, and describe the groups afterwards, which is faster."""
    sums = (
        *(
            _COUNT.label("exchanges"),
            func.min(_columns.first_ms),
            func.max(_columns.last_ms).label("last_ms"),
        ),
        *(func.sum(_columns.input_tokens), func.sum(_columns.output_tokens)),
        cast(func.sum(_columns.captured), BigInteger),
    )
    groups = (
        select(_columns.key, *sums)
        .where(period.contains_bucket(Kind.SHAPE), *_among(conditions))
        .group_by(_columns.key)
        .having(_COUNT > 0)
        .subquery()
    )
    key, count, *rest = groups.c
    described = (
        *(_WHO, _group.caller_name, _group.caller, _group.dialect, _group.streamed),
        *(_group.features, _group.rule, _group.asked_model, _group.sent_model),
        *(_group.adjustments, _group.route, _group.status, _group.error_type),
        *(_group.outcome, _group.is_rescued),
    )
    return (
        select(key, *described, count, *rest)
        .join_from(groups, rollup_groups, key == _group.key)
        .where(_group.is_other.is_(False), *conditions)
        .order_by(count.desc(), groups.c.last_ms.desc(), key)
        .limit(most)
    )


def _shape_group(row: Sequence[Any]) -> ShapeGroup:
    route, status, error_type, outcome, is_rescued = row[11:16]
    ending = Ending(route, status, error_type, Outcome(outcome), is_rescued)
    return ShapeGroup(*(*row[:11], ending, *row[16:]))


def _clients(
    connection: Connection,
    period: Period,
    conditions: Sequence[ColumnElement[bool]],
    most: int,
) -> dict[int, ClientGroup]:
    """Return the groups of programs by key, without their latencies."""
    # Summed up by key alone, and described afterwards, as in `_by_shape`.
    sums = (
        select(_columns.key, _COUNT.label("exchanges"))
        .where(period.contains_bucket(Kind.PROGRAM), *_among(conditions))
        .group_by(_columns.key)
        .subquery()
    )
    groups = (
        select(_group.key, _WHO, _group.sdk, _group.user_agent, sums.c.exchanges)
        .join_from(sums, rollup_groups, sums.c.key == _group.key)
        .where(_group.is_other.is_(False))
        .order_by(sums.c.exchanges.desc(), _group.key)
        .limit(most)
    )
    return {
        key: ClientGroup(who, sdk, user_agent, count)
        for key, who, sdk, user_agent, count in connection.execute(groups)
    }


def _add_latencies(
    connection: Connection, period: Period, clients: Mapping[int, ClientGroup]
) -> None:
    latencies = select(_columns.key, _columns.latency).where(period.contains_bucket(Kind.PROGRAM))
    if len(clients) <= _FEW:  # else it is faster to read them all
        latencies = latencies.where(_columns.key.in_(clients.keys()))
    for key, latency in connection.execute(latencies):
        if (client := clients.get(key)) is not None:
            merge_into(client.latency, decode_sketch(latency))


def _time_buckets(
    connection: Connection,
    period: Period,
    conditions: Sequence[ColumnElement[bool]],
    step_ms: int,
) -> Iterator[TimeBucket]:
    step = (_columns.begin_ms // step_ms).label("step")
    query = _summed(Kind.SHAPE, period, (step, _group.outcome), _COUNT).where(*_among(conditions))
    for number, outcome, count in connection.execute(query.having(_COUNT > 0)):
        yield TimeBucket(number, Outcome(outcome), count)


def _shadows(
    connection: Connection, period: Period, conditions: Sequence[ColumnElement[bool]]
) -> Iterator[ShadowGroup]:
    keys = (_group.rule, _group.leg, _group.failure)
    sums = (_COUNT, func.sum(_columns.similarity), cast(func.sum(_columns.equal), BigInteger))
    query = _summed(Kind.SHADOW, period, keys, *sums)
    for row in connection.execute(query.where(_group.is_other.is_(False), *_among(conditions))):
        yield ShadowGroup(*row)
