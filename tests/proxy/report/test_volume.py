import pytest

from proxy.outcome import Outcome
from proxy.report.model import Outcomes
from proxy.report.volume import STEPS, step_of, volume_of
from proxy.traffic.store.aggregates import TimeBucket

MINUTE, HOUR, DAY = STEPS.values()
MIDNIGHT = 1_795_392_000_000  # 2026-11-23


@pytest.mark.parametrize(
    ("span", "step"),
    [
        (15 * MINUTE, "minute"),
        (96 * MINUTE, "minute"),
        (2 * HOUR, "hour"),
        (DAY, "hour"),
        (7 * DAY, "day"),
        (3_650 * DAY, "day"),
    ],
)
def test_steps_fit_the_period(span, step):
    assert step_of(MIDNIGHT, MIDNIGHT + span) == step


def test_steps_in_which_nothing_happened_are_there_too():
    happened = [
        TimeBucket(MIDNIGHT // HOUR, Outcome.ANSWERED, exchanges=3),
        TimeBucket(MIDNIGHT // HOUR, Outcome.CLIENT_ERROR, exchanges=1),
        TimeBucket(MIDNIGHT // HOUR + 2, Outcome.CLIENT_GONE, exchanges=2),
    ]

    volume = volume_of(happened, "hour", MIDNIGHT, MIDNIGHT + 3 * HOUR)

    assert [(each.begin, each.exchanges, each.outcomes) for each in volume.buckets] == [
        ("2026-11-23T00:00:00.000+00:00", 4, Outcomes(answered=3, client_error=1)),
        ("2026-11-23T01:00:00.000+00:00", 0, Outcomes()),
        ("2026-11-23T02:00:00.000+00:00", 2, Outcomes(client_gone=2)),
    ]


def test_steps_that_the_period_cuts_are_there_whole():
    begins = [
        each.begin[11:16]
        for each in volume_of([], "hour", MIDNIGHT + 1, MIDNIGHT + HOUR + 1).buckets
    ]

    assert begins == ["00:00", "01:00"]
