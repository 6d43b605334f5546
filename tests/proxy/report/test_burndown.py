"""The requests of each day by caller, from the first day with one until today."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from proxy.report.burndown import MAX_SERIES, burndown_of
from proxy.report.page.charts import burndown
from proxy.timestamps import DAY_MS
from proxy.traffic.store.aggregates import CallerDay, exchanges_by_day
from proxy.traffic.store.rollups.period import period_of_buckets
from tests.ready_store import open_ready
from tests.record_factory import record

TODAY = 20_000
NAMES = [None, *(f"caller {number}" for number in range(12))]


def test_days_without_requests_are_there_too_until_today():
    rows = [
        CallerDay(TODAY - 3, "a", 5),
        CallerDay(TODAY - 1, "b", 7),
        CallerDay(TODAY - 1, "a", 1),
    ]

    made = burndown_of(rows, TODAY)

    assert made.callers == ("b", "a")
    assert [day.counts for day in made.days] == [(0, 5), (0, 0), (7, 1), (0, 0)]
    assert [day.requests for day in made.days] == [5, 0, 8, 0]
    assert made.days[0].begin.startswith(f"{datetime.fromtimestamp((TODAY - 3) * 86_400, UTC):%F}")


def test_a_caller_without_a_request_for_a_week_has_gone():
    rows = [CallerDay(TODAY - 7, "gone", 5), CallerDay(TODAY - 6, None, 1)]

    made = burndown_of(rows, TODAY)

    assert made.gone == ("gone",)
    assert made.callers == ("gone", "without a key")
    assert made.active == 1


def test_a_digest_that_has_got_a_name_is_the_caller_of_that_name():
    rows = [CallerDay(TODAY, "0123", 5), CallerDay(TODAY, "bot", 1), CallerDay(TODAY, "4567", 1)]

    made = burndown_of(rows, TODAY, {"0123": "bot"})

    assert made.callers == ("bot", "4567")
    assert made.days[0].counts == (6, 1)


def test_where_nothing_was_asked_there_is_nothing_to_draw():
    assert burndown_of([], TODAY).days == ()


@given(
    st.lists(
        st.builds(
            CallerDay, st.integers(TODAY - 40, TODAY), st.sampled_from(NAMES), st.integers(1, 99)
        )
    )
)
def test_no_request_is_lost_and_all_that_is_drawn_has_a_place(rows):
    made = burndown_of(rows, TODAY)

    assert sum(day.requests for day in made.days) == sum(row.exchanges for row in rows)
    assert len(made.callers) + made.others == len({row.who for row in rows})
    assert len(made.callers) <= MAX_SERIES
    if rows:
        drawn = burndown(made)
        assert drawn.startswith("<svg")
        assert "nan" not in drawn


def test_the_store_counts_by_day_and_by_name_or_digest(tmp_path):
    store = open_ready(f"sqlite:///{tmp_path / 'traffic.db'}")
    store.add(
        [
            record(id="req_1", received="2026-11-20T23:59:59.999+00:00", caller_name="bot"),
            record(id="req_2", received="2026-11-21T00:00:00.000+00:00", caller_name="bot"),
            record(id="req_3", received="2026-11-21T12:00:00.000+00:00"),
            record(id="req_4", received="2026-11-21T12:00:00.000+00:00", caller=None),
        ]
    )
    first = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 1000
    with store.reading() as connection:
        period = period_of_buckets(connection, first, first + 2 * DAY_MS)
        found = exchanges_by_day(connection, period)
    store.close()

    day = first // DAY_MS
    assert sorted(found, key=str) == sorted(
        [
            CallerDay(day, "bot", 1),
            CallerDay(day + 1, "bot", 1),
            CallerDay(day + 1, "0123456789abcdef", 1),
            CallerDay(day + 1, None, 1),
        ],
        key=str,
    )
