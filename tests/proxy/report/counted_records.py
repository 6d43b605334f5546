"""Sums of records, counted one by one: what a report would say if there were no rollups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from proxy.outcome import Outcome
from proxy.report.adjustments import shapes_with_examples
from proxy.report.build import ReportInput
from proxy.report.callers import CallerExamples, callers_of
from proxy.report.volume import STEPS, step_of
from proxy.traffic import ShadowRecord, TrafficRecord
from proxy.traffic.store.aggregates import (
    Aggregates,
    ClientGroup,
    Ending,
    ShadowGroup,
    ShapeGroup,
    TimeBucket,
)
from proxy.traffic.store.rollups.period import Period
from proxy.traffic.store.row_mapping import milliseconds_of, row_of_exchange


def counted(
    records: Sequence[TrafficRecord],
    shadows: Iterable[ShadowRecord],
    period: Period,
    caller: str | None,
    *,
    coarsest_ms: int,
) -> ReportInput:
    """Count what was received in the period; records are in the order of loading."""
    received = {each.id: milliseconds_of(each.received) for each in records}
    oldest_ms = min(received.values(), default=None)
    within = [
        each
        for each in records
        if period.begin_ms <= received[each.id] < period.end_ms and _is(each, caller)
    ]
    begin_ms = max(period.begin_ms, period.end_ms if oldest_ms is None else oldest_ms)
    step = step_of(begin_ms, period.end_ms, at_least_ms=coarsest_ms)
    shapes: dict[int, ShapeGroup] = {}
    clients: Counter[tuple[str | None, str | None, str | None]] = Counter()
    buckets: Counter[tuple[int, Outcome]] = Counter()
    last: dict[int, TrafficRecord] = {}
    for each in within:
        at = received[each.id]
        one = _shape(each, at)
        shapes[one.shape] = _added(shapes[one.shape], one) if one.shape in shapes else one
        if one.shape not in last or at >= received[last[one.shape].id]:
            last[one.shape] = each
        clients[each.caller_name or each.caller, each.sdk, each.user_agent] += 1
        buckets[at // STEPS[step], each.outcome] += 1
    sums = Aggregates(
        shapes=tuple(sorted(shapes.values(), key=_order)),
        clients=tuple(ClientGroup(*key, count) for key, count in clients.items()),
        buckets=tuple(TimeBucket(*key, count) for key, count in buckets.items()),
        shadows=_shadows({each.id for each in within}, shadows),
        without_program=0,
    )
    callers = callers_of(sums)
    return ReportInput(
        period=period,
        caller=caller,
        oldest_ms=oldest_ms,
        sums=sums,
        callers=callers,
        examples={
            who: CallerExamples(
                adjustments={
                    shape: last[shape].adjustments
                    for shape in shapes_with_examples(statistics.shapes)
                },
            )
            for who, statistics in callers.items()
        },
        step=step,
        left_to_build=0,
        lost={},
    )


def _is(record: TrafficRecord, caller: str | None) -> bool:
    return caller is None or record.caller_name == caller


def _order(each: ShapeGroup) -> tuple[int, int, int]:
    return -each.exchanges, -each.last_ms, each.shape


def _shape(record: TrafficRecord, at: int) -> ShapeGroup:
    row = row_of_exchange(record)
    kinds = sorted({made.kind for made in record.adjustments})
    return ShapeGroup(
        shape=row["shape"],
        who=record.caller_name or record.caller,
        name=record.caller_name,
        digest=record.caller,
        dialect=record.dialect,
        streamed=record.streamed,
        features=row["features"],
        rule=record.rule,
        asked=record.asked_model,
        sent=record.sent_model,
        adjustments=msgspec.json.encode(kinds).decode(),
        ending=Ending(
            record.route,
            record.status,
            record.error_type,
            record.outcome,
            record.first_failure is not None,
        ),
        exchanges=1,
        first_ms=at,
        last_ms=at,
        input_tokens=record.input_tokens or 0.0,
        output_tokens=record.output_tokens or 0.0,
        captured=0,
    )


def _added(one: ShapeGroup, other: ShapeGroup) -> ShapeGroup:
    return replace(
        one,
        exchanges=one.exchanges + other.exchanges,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=max(one.last_ms, other.last_ms),
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
    )


def _shadows(ids: set[str], shadows: Iterable[ShadowRecord]) -> tuple[ShadowGroup, ...]:
    sums: dict[tuple[str, str, str | None], list[float]] = defaultdict(lambda: [0, 0.0, 0])
    for each in shadows:
        if each.id in ids:
            found = sums[each.rule, each.leg, each.failure]
            compared: Mapping[str, object] = each.comparison or {}
            found[0] += 1
            found[1] += float(str(compared.get("similarity", 0)))
            found[2] += bool(compared.get("equal"))
    return tuple(
        ShadowGroup(*key, int(count), similarity, int(equal))
        for key, (count, similarity, equal) in sums.items()
    )
