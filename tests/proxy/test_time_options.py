from datetime import UTC, datetime

import pytest

from proxy.time_options import InvalidTime, milliseconds, since, until

NOW = datetime(2026, 11, 23, 9, 0, 0, 500_000, tzinfo=UTC)


def at(text: str) -> int:
    return milliseconds(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("45s", "2026-11-23T08:59:15.500+00:00"),
        ("15m", "2026-11-23T08:45:00.500+00:00"),
        ("24h", "2026-11-22T09:00:00.500+00:00"),
        ("7d", "2026-11-16T09:00:00.500+00:00"),
        ("2w", "2026-11-09T09:00:00.500+00:00"),
        ("0s", "2026-11-23T09:00:00.500+00:00"),
        ("2026-11-20T09:30", "2026-11-20T09:30:00+00:00"),
        ("2026-11-20 09:30:15.250", "2026-11-20T09:30:15.250+00:00"),
        ("2026-11-20T09:30Z", "2026-11-20T09:30:00+00:00"),
        ("2026-11-20T09:30+02:00", "2026-11-20T07:30:00+00:00"),
    ],
)
def test_a_span_is_that_long_ago_and_a_time_is_itself(text: str, moment: str):
    assert since(text, NOW) == until(text, NOW) == at(moment)


def test_a_day_is_meant_from_its_beginning_to_its_end_in_utc():
    assert since("2026-11-20", NOW) == at("2026-11-20T00:00+00:00")
    assert until("2026-11-20", NOW) == at("2026-11-21T00:00+00:00")


@pytest.mark.parametrize("text", ["999999w", "0001-01-01", "9999-12-31", "0001-01-01T00:00+14:00"])
def test_the_ends_of_the_calendar_are_moments_too(text: str):
    assert since(text, NOW) <= until(text, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "d",
        "7 d",
        "-7d",
        "7D",
        "1.5h",
        "1000000d",
        "\u0667d",
        "7d\n",
        "yesterday",
        "2026-13-01",
    ],
)
def test_anything_else_is_refused_in_words_that_help(text: str):
    with pytest.raises(InvalidTime, match="is not a valid time; write 15m, 24h, 7d, 2026-11-20 or"):
        since(text, NOW)
