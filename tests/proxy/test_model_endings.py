import pytest

from proxy.model_endings import ModelEnding, ending_of
from translators import Model

TODAY = "2026-11-29"


def certain(day: str, days_left: int) -> ModelEnding:
    return ModelEnding(day=day, days_left=days_left, is_certain=True)


def possible(day: str, days_left: int) -> ModelEnding:
    return ModelEnding(day=day, days_left=days_left, is_certain=False)


@pytest.mark.parametrize(
    ("given", "ending"),
    [
        ({}, None),
        ({"retires": "2027-02-27"}, certain("2027-02-27", 90)),
        ({"retires": "2027-02-28"}, None),
        ({"retires": "2026-11-29"}, certain("2026-11-29", 0)),
        ({"retires": "2024-11-06"}, certain("2024-11-06", -753)),
        ({"retires_not_before": "2026-10-15"}, possible("2026-10-15", -45)),
        (
            {"retires": "2026-12-01", "retires_not_before": "2026-10-15"},
            certain("2026-12-01", 2),
        ),
    ],
    ids=[
        *("no day is known", "just near", "far off", "today", "long past", "any day"),
        "a certain day counts",
    ],
)
def test_an_end_is_near_within_ninety_days(given, ending):
    assert ending_of(Model(id="m", **given), TODAY) == ending


@pytest.mark.parametrize(
    ("ending", "is_to_come"),
    [
        (certain("2026-11-30", 1), True),
        (certain("2026-11-29", 0), False),
        (possible("2026-12-30", 31), False),
    ],
    ids=["it answers today", "it has ended", "it may stay"],
)
def test_only_a_certain_end_is_to_come(ending, is_to_come):
    assert ending.is_to_come is is_to_come
