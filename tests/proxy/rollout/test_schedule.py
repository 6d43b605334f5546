from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rollout import brown_out_until, campaign_headers
from proxy.rollout.rule_schema import BrownOut, Campaign
from proxy.rollout.schedule import is_over, next_brown_outs

START = datetime(2026, 9, 1, 10, tzinfo=UTC)
SECOND, DAY, WEEK = timedelta(seconds=1), timedelta(days=1), timedelta(days=7)
MINUTES = 15
LASTS = timedelta(minutes=MINUTES)


def until(now, *, start=START, minutes=MINUTES, **fields):
    brown_out = BrownOut(start=start, minutes=minutes, **fields)
    return brown_out_until(Campaign(brown_outs=(brown_out,)), now)


@pytest.mark.parametrize(
    ("every", "began"),
    [
        (None, START),
        ("day", START),
        ("day", START + DAY),
        ("day", START + 400 * DAY),
        ("week", START),
        ("week", START + WEEK),
        ("week", START + 60 * WEEK),
    ],
)
def test_a_brown_out_begins_and_ends_to_the_second(every, began):
    assert until(began - SECOND, every=every) is None
    assert until(began, every=every) == began + LASTS
    assert until(began + LASTS - SECOND, every=every) == began + LASTS
    assert until(began + LASTS, every=every) is None


@pytest.mark.parametrize(
    ("every", "now"),
    [(None, START + DAY), ("week", START + DAY), ("day", START - DAY), ("week", START - WEEK)],
)
def test_there_is_none_on_other_days_or_before_the_first(every, now):
    assert until(now, every=every) is None


def test_repetitions_that_would_begin_at_the_end_or_later_do_not():
    end = START + 2 * DAY

    assert until(START + DAY, every="day", until=end) == START + DAY + LASTS
    assert until(end, every="day", until=end) is None
    assert until(end, every="day", until=end + SECOND) == end + LASTS
    assert until(end + DAY, every="day", until=end + SECOND) is None


def test_one_that_began_before_the_end_runs_its_time():
    assert until(START + LASTS - SECOND, every="day", until=START + SECOND) == START + LASTS


def test_a_brown_out_all_day_every_day_never_stops():
    for hour in range(50):
        now = START + timedelta(hours=hour)

        assert until(now, every="day", minutes=24 * 60) == START + (hour // 24 + 1) * DAY


def test_of_two_at_once_the_one_that_ends_last_counts():
    long = BrownOut(start=START, minutes=30)
    short = BrownOut(start=START + SECOND, minutes=1)

    assert brown_out_until(Campaign(brown_outs=(short, long)), START + SECOND) == (
        START + timedelta(minutes=30)
    )


def test_a_campaign_without_brown_outs_has_none():
    assert brown_out_until(Campaign(), START) is None


def test_a_moment_is_the_same_in_every_time_zone():
    in_kolkata = timezone(timedelta(hours=5, minutes=30))

    assert until(START, start=START.astimezone(in_kolkata)) == START + LASTS
    assert until(START.astimezone(in_kolkata), every="day") == START + LASTS


def test_a_brown_out_at_the_end_of_time_harms_nobody():
    last = datetime.max.replace(tzinfo=UTC) - SECOND

    assert until(START, start=last) is None


@given(
    offset=st.integers(-3 * 86_400, 40 * 86_400),
    minutes=st.integers(1, 24 * 60),
    every=st.sampled_from(["day", "week"]),
    last=st.none() | st.integers(0, 30 * 86_400),
)
def test_a_repetition_is_the_same_as_writing_all_of_them(offset, minutes, every, last):
    period = {"day": DAY, "week": WEEK}[every]
    now = START + offset * SECOND
    end = None if last is None else START + last * SECOND
    starts = [START + n * period for n in range(45)]
    written = tuple(
        BrownOut(start=start, minutes=minutes) for start in starts if end is None or start < end
    )

    repeated = until(now, minutes=minutes, every=every, until=end)

    assert repeated == brown_out_until(Campaign(brown_outs=written), now)


BROWN_OUTS = st.builds(
    BrownOut,
    start=st.integers(-40, 40).map(lambda hours: START + timedelta(hours=hours)),
    minutes=st.integers(1, 24 * 60),
    every=st.sampled_from([None, "day", "week"]),
    until=st.none() | st.integers(-40, 400).map(lambda hours: START + timedelta(hours=hours)),
)


@given(
    brown_outs=st.lists(BROWN_OUTS, max_size=3).map(tuple),
    minute=st.integers(-3_000, 20_000),
    sunset=st.none() | st.integers(-40, 400).map(lambda hours: START + timedelta(hours=hours)),
    count=st.integers(1, 4),
)
def test_the_next_brown_outs_are_those_in_which_requests_will_be_refused(
    brown_outs, minute, sunset, count
):
    campaign = Campaign(brown_outs=brown_outs, sunset=sunset)
    now = START + timedelta(minutes=minute)
    coming = next_brown_outs(campaign, now, count)

    assert coming == sorted(coming)
    assert len(coming) <= count
    for start, end in coming:
        assert now < end
        assert not is_over(campaign, start)
        assert (brown_out_until(campaign, start) or start) >= end
    # Until the first of them, and at any hour up to the last, nothing else is refused.
    horizon = coming[-1][0] if len(coming) == count else now + 2 * WEEK
    for hour in range(int((horizon - now) / timedelta(hours=1))):
        moment = now + timedelta(hours=hour)
        if not is_over(campaign, moment) and brown_out_until(campaign, moment) is not None:
            assert any(start <= moment < end for start, end in coming)


def test_the_calendar_may_end_before_the_brown_outs_do():
    last = datetime.max.replace(tzinfo=UTC) - 2 * DAY
    brown_out = BrownOut(start=last, minutes=1, every="day")

    assert [start for start, _ in next_brown_outs(Campaign(brown_outs=(brown_out,)), START, 9)] == [
        last,
        last + DAY,
    ]


@pytest.mark.parametrize(
    ("sunset", "over"),
    [(None, False), (START, True), (START - SECOND, True), (START + SECOND, False)],
)
def test_it_is_over_from_the_sunset_on(sunset, over):
    assert is_over(Campaign(sunset=sunset), START) is over


DEPRECATED = datetime(2023, 6, 30, 23, 59, 59, tzinfo=UTC)  # the example of RFC 9745
SUNSET = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
LINK = "https://example.com/move?to=messages#now"


@pytest.mark.parametrize(
    ("campaign", "headers"),
    [
        ({}, []),
        # RFC 9745, section 2: a structured date, `@` and seconds since 1970.
        ({"deprecated": DEPRECATED}, [(b"deprecation", b"@1688169599")]),
        (
            {"deprecated": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)},
            [(b"deprecation", b"@-1")],
        ),
        (
            {"deprecated": DEPRECATED.replace(microsecond=999_999)},
            [(b"deprecation", b"@1688169599")],
        ),
        # RFC 8594, section 3: an HTTP-date, as IMF-fixdate.
        ({"sunset": SUNSET}, [(b"sunset", b"Thu, 31 Dec 2026 23:59:59 GMT")]),
        (
            {"sunset": datetime(2026, 9, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))},
            [(b"sunset", b"Mon, 31 Aug 2026 23:30:00 GMT")],
        ),
        ({"link": LINK}, [(b"link", f'<{LINK}>; rel="deprecation"'.encode())]),
        (
            {"link": LINK, "sunset": SUNSET},
            [
                (b"sunset", b"Thu, 31 Dec 2026 23:59:59 GMT"),
                (b"link", f'<{LINK}>; rel="sunset"'.encode()),
            ],
        ),
        (
            {"link": LINK, "sunset": SUNSET, "deprecated": DEPRECATED},
            [
                (b"deprecation", b"@1688169599"),
                (b"sunset", b"Thu, 31 Dec 2026 23:59:59 GMT"),
                (b"link", f'<{LINK}>; rel="deprecation", <{LINK}>; rel="sunset"'.encode()),
            ],
        ),
    ],
)
def test_the_headers_of_a_campaign_are_those_of_the_standards(campaign, headers):
    assert campaign_headers(Campaign(**campaign)) == headers
