from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from proxy.timestamps import to_microseconds, to_milliseconds

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


@given(MOMENTS)
def test_a_moment_reads_as_any_library_would_write_it(moment: datetime):
    seconds = moment.timestamp()
    written = datetime.fromisoformat(to_microseconds(seconds))

    assert abs(written - moment) <= timedelta(microseconds=1)
    assert to_microseconds(seconds) == written.isoformat(timespec="microseconds")[:-6] + "Z"
    assert to_milliseconds(seconds)[:19] == to_microseconds(seconds)[:19]
    assert abs(datetime.fromisoformat(to_milliseconds(seconds)) - moment) <= timedelta(
        milliseconds=1
    )


def test_milliseconds_and_microseconds_have_their_own_endings():
    assert to_milliseconds(1_795_424_400.25) == "2026-11-23T09:00:00.250+00:00"
    assert to_microseconds(1_795_424_400.000_5) == "2026-11-23T09:00:00.000500Z"
