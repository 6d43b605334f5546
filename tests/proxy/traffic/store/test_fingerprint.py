import pytest

from proxy.outcome import Outcome
from proxy.traffic import MadeAdjustment
from proxy.traffic.store.fingerprint import SHAPE_COLUMNS, fingerprint_of
from proxy.traffic.store.row_mapping import row_of_exchange
from tests.record_factory import record

OTHERWISE = {
    "caller_name": "nightly",
    "caller": "ffff",
    "dialect": "2023-01-01",
    "streamed": True,
    "features": ("system",),
    "route": "forward",
    "rule": "canary",
    "asked_model": "claude-2",
    "sent_model": None,
    "status": 500,
    "error_type": "api_error",
    "outcome": Outcome.HOLDOVER_ERROR,
}


def shape(**fields) -> int:
    return fingerprint_of(row_of_exchange(record(**fields)))


def adjusted(*kinds: str, asked: str = "1") -> int:
    made = tuple(MadeAdjustment(kind, "field", asked, "2") for kind in kinds)  # type: ignore[arg-type]
    return shape(adjustments=made)


def test_a_second_try_makes_another_shape_and_why_does_not():
    rescued = shape(first_failure="503 api_error")

    assert rescued != shape()
    assert rescued == shape(first_failure="529 overloaded_error")


def test_all_that_shapes_is_tried():
    assert set(OTHERWISE) == set(SHAPE_COLUMNS)


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_reports_count_by_makes_another_shape(name):
    assert shape(**{name: OTHERWISE[name]}) != shape()


def test_what_is_new_in_each_request_does_not():
    other = {"id": "b", "request_id": "c", "user_agent": "d", "max_tokens": 5, "total_ms": 9.0}

    assert shape(**other) == shape()


def test_kinds_of_adjustments_shape_and_what_was_asked_does_not():
    assert adjusted("a") != adjusted()
    assert adjusted("a") != adjusted("b")
    assert adjusted("a", "b") == adjusted("b", "a", "a", asked="3")


def test_a_shape_is_a_number_that_a_column_holds_and_is_kept_with_the_row():
    row = row_of_exchange(record())

    assert -(2**63) <= row["shape"] < 2**63
    assert row["shape"] == fingerprint_of(row)
