"""Law: a report from rollups is that from the records, figure by figure."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import Blame
from proxy.report.build import build_report
from proxy.report.collect import collect_report_input
from proxy.timestamps import DAY_MS, HOUR_MS, MINUTE_MS
from proxy.traffic import ShadowRecord, TrafficRecord, default_url, journal_directory
from proxy.traffic.journal.loader import Loader
from proxy.traffic.store.aggregates import coarsest_step_ms
from proxy.traffic.store.filters import Filter
from proxy.traffic.store.queries import find, shadows_of
from proxy.traffic.store.retention import compact
from proxy.traffic.store.rollups.build import begin_rebuild, build_step
from proxy.traffic.store.rollups.compare import comparable_periods, compare_days, compare_period
from proxy.traffic.store.row_mapping import milliseconds_of, moment_of
from proxy.traffic.store.store import Store
from tests.command_line import run_process
from tests.hypothesis_profiles import scaled
from tests.proxy.report.counted_records import counted
from tests.proxy.report.harness import PRESENT, made
from tests.ready_store import open_ready
from tests.record_factory import record, shadow_record

pytestmark = pytest.mark.without_coverage

BEGIN = milliseconds_of("2026-11-16T00:00:00+00:00")
WEEK_MS = 7 * DAY_MS
NOW = BEGIN + WEEK_MS
OVERLOADED = {"status": 529, "error_type": "overloaded_error", "blame": Blame.UPSTREAM}
BAD = {"status": 400, "error_type": "invalid_request_error", "sent_model": None}
ROUNDED = 2.001e-4
"""Two steps of a similarity in a report, which has four digits; one is rounded up to twice."""
LATE_MS = 20 * DAY_MS
"""How late a record may come; a clock may be as wrong."""

DURATIONS = st.none() | st.floats(0.1, 600_000)
ENDINGS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        *({}, {}, {}, OVERLOADED, BAD, {"route": "forward", "sent_model": None}),
        *({"first_failure": "503 api_error", "route": "forward"}, {"client_gone": True}),
    ]
)
FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "caller_name": st.sampled_from([None, "nightly", "daily"]),
        "caller": st.sampled_from([None, "aaaa", "bbbb"]),
        "sdk": st.sampled_from([None, "python 0.3.11"]),
        "user_agent": st.sampled_from([None, "curl/8", "python-requests"]),
        "features": st.sampled_from([(), ("system",), ("system", "top_k")]),
        "streamed": st.booleans(),
        "dialect": st.sampled_from(["2023-01-01", "2023-06-01"]),
        "rule": st.sampled_from([None, "canary"]),
        "asked_model": st.sampled_from([None, "claude-2.1", "claude-instant-1"]),
        "sent_model": st.sampled_from(["claude-haiku-4-5-20251001", "claude-sonnet-5"]),
        "adjustments": st.sampled_from(
            [(), (made("cap_max_tokens", "9", "8"),), (made("trim_prefill"), made("drop_beta"))]
        ),
        "input_tokens": st.none() | st.integers(0, 10**6).map(float),
        "output_tokens": st.none() | st.integers(0, 10**6).map(float),
        "total_ms": st.floats(0.1, 600_000),
        "first_byte_ms": DURATIONS,
        "first_token_ms": DURATIONS,
    }
)
RECEIVED = st.integers(BEGIN, NOW - 1) | st.integers(BEGIN - LATE_MS, NOW + LATE_MS)
EXCHANGES = st.lists(st.tuples(RECEIVED, FIELDS, ENDINGS), max_size=40)
COMPARED = st.sampled_from([None, {"equal": True, "similarity": 1.0}])
SHADOWED = st.lists(
    st.tuples(st.integers(0, 39), st.sampled_from(["shadow", "control"]), COMPARED),
    max_size=10,
    unique_by=lambda each: each[:2],
)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[list[TrafficRecord], list[ShadowRecord]]:
    records = [
        record(id=f"req_{number}", received=moment_of(received), **(fields | ending))
        for number, (received, fields, ending) in enumerate(draw(EXCHANGES))
    ]
    shadows = [
        shadow_record(
            id=f"req_{number}",
            leg=leg,
            comparison=comparison,
            failure=None if comparison else "status 429",
        )
        for number, leg, comparison in draw(SHADOWED)
    ]
    return records, shadows


def figures(value: Any, place: str = "") -> dict[str, Any]:
    """Every figure of a report by its place."""
    if not isinstance(value, dict | list | tuple):
        return {place: value}
    parts: Any = value.items() if isinstance(value, dict) else enumerate(value)
    found: dict[str, Any] = {}
    for name, part in parts:
        found |= figures(part, f"{place}.{name}")
    return found


def is_a_sum(place: str) -> bool:
    """Tell what is neither a percentile nor from bodies, which are not counted one by one."""
    return re.search(r"\.(latency|coverage|call)(\.|$)", place) is None


def durations(records: Sequence[TrafficRecord], name: str) -> list[float]:
    return sorted(value for each in records if (value := getattr(each, name)) is not None)


def check_report(  # noqa: PLR0913 - a period, and what is in it
    store: Store,
    records: Sequence[TrafficRecord],
    shadows: Sequence[ShadowRecord],
    *,
    since_ms: int,
    until_ms: int,
    caller: str | None = None,
) -> None:
    collected = collect_report_input(store, since_ms, until_ms, caller)
    period = collected.period
    assert period.begin_ms <= since_ms < until_ms <= period.end_ms
    with store.reading() as connection:
        coarsest_ms = coarsest_step_ms(connection, period)
    expected = counted(records, shadows, period, caller, coarsest_ms=coarsest_ms)
    found = figures(msgspec.to_builtins(build_report(collected, PRESENT, NOW)))
    wanted = figures(msgspec.to_builtins(build_report(expected, PRESENT, NOW)))

    assert set(filter(is_a_sum, found)) == set(filter(is_a_sum, wanted))
    for place in filter(is_a_sum, wanted):
        # A sum of fractions depends on their order, which decides how half a step is rounded.
        step = ROUNDED if place.endswith((".mean_similarity", ".beyond_noise")) else None
        assert found[place] == pytest.approx(wanted[place], abs=step), place
    within = [
        each
        for each in records
        if period.begin_ms <= milliseconds_of(each.received) < period.end_ms
        and caller in {None, each.caller_name}
    ]
    for name in ("total", "first_byte", "first_token"):
        every = durations(within, f"{name}_ms")
        for part in (50, 95, 99) if every else ():
            exact = every[math.ceil(part * len(every) / 100) - 1]
            assert found[f".totals.latency.{name}.p{part}"] == pytest.approx(exact, rel=0.02)


@pytest.mark.thorough
@settings(max_examples=scaled(60, at_least=15))
@given(
    week=weeks(),
    batch=st.integers(1, 50),
    compacted=st.booleans(),
    rebuilt=st.booleans(),
    since_ms=st.integers(BEGIN, NOW - 1) | st.just(BEGIN),
    length_ms=st.sampled_from([MINUTE_MS, HOUR_MS, DAY_MS, WEEK_MS]),
    caller=st.sampled_from([None, "nightly"]),
)
def test_a_report_from_rollups_is_that_from_records(  # noqa: PLR0913, PLR0917 - drawn
    week, batch, compacted, rebuilt, since_ms, length_ms, caller
):
    records, shadows = week
    entries = [*shadows[::2], *records, *shadows[1::2]]
    with tempfile.TemporaryDirectory() as directory:
        store = open_ready(default_url(Path(directory)))
        for start in range(0, len(entries), batch):
            store.add(entries[start : start + batch])
            store.add(entries[max(start - 2, 0) : start + batch])  # a loader that was killed
        if rebuilt:
            with store.writing() as connection:
                begin_rebuild(connection)
            with store.writing() as connection:
                assert build_step(connection).left == 0
        while compacted and not compact(store, now_ms=NOW, most_steps=10):
            pass
        check_report(
            store, records, shadows, since_ms=since_ms, until_ms=since_ms + length_ms, caller=caller
        )
        with store.reading() as connection:
            assert list(compare_days(connection)) == []
            for period in comparable_periods(connection):
                assert list(compare_period(connection, period)) == []
        store.close()


@pytest.mark.thorough
def test_the_report_of_the_demo_is_that_from_its_records(tmp_path):
    ran = run_process("demo", "--once", "--port", "0", XDG_STATE_HOME=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    state_dir = tmp_path / "holdover" / "demo"
    store = open_ready(default_url(state_dir))
    Loader(journal_directory(state_dir), store).load()
    records = [each.record for each in find(store, Filter())]
    shadows = [shadow for each in records for shadow in shadows_of(store, each.id)]
    received = [milliseconds_of(each.received) for each in records]

    assert len(records) > 10
    check_report(store, records, shadows, since_ms=min(received), until_ms=max(received) + 1)
    store.close()
