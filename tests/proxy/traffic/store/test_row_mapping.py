"""The law of rows: what goes in comes out, of either database."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from proxy.errors import Blame
from proxy.outcome import Outcome
from proxy.traffic import MadeAdjustment, ShadowRecord, TrafficRecord
from proxy.traffic.store.row_mapping import (
    exchange_of_row,
    milliseconds_of,
    moment_of,
    row_of_exchange,
    row_of_shadow,
    shadow_of_row,
)
from proxy.traffic.store.schema import exchanges, shadows
from tests.hypothesis_profiles import scaled
from tests.ready_store import open_ready
from tests.record_factory import record, shadow_record

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
NUMBER = st.integers(-(2**63) + 1, 2**63 - 1)
FLOAT = st.floats(allow_nan=False)
MOMENT = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - made UTC
    lambda at: at.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
)


def fields_of(kind: type, **known: Any) -> dict[str, Any]:
    """A strategy for every field, by its type."""
    by_type = {
        "str": TEXT,
        "Redacted": TEXT,
        "CallerDigest": TEXT,
        "int": NUMBER,
        "float": FLOAT,
        "bool": st.booleans(),
    }
    fields = {}
    for name, annotation in kind.__annotations__.items():
        plain, _, none = annotation.partition(" | ")
        if name not in known:
            fields[name] = st.none() | by_type[plain] if none else by_type[plain]
    return fields | known


RECORDS = st.builds(
    TrafficRecord,
    **fields_of(
        TrafficRecord,
        received=MOMENT,
        blame=st.sampled_from(Blame),
        outcome=st.sampled_from(Outcome),
        status=st.none() | st.integers(100, 999),
        features=st.lists(TEXT, max_size=3).map(tuple),
        adjustments=st.lists(st.builds(MadeAdjustment, TEXT, TEXT, TEXT, TEXT), max_size=3).map(
            tuple
        ),
    ),
)
SHADOWS = st.builds(
    ShadowRecord,
    **fields_of(
        ShadowRecord,
        ended=MOMENT,
        comparison=st.none() | st.dictionaries(TEXT, st.none() | st.booleans() | NUMBER | TEXT),
    ),
)


@settings(max_examples=scaled(60))  # of 45 fields each
@given(RECORDS)
def test_an_exchange_survives_as_a_row(given_record):
    assert exchange_of_row(row_of_exchange(given_record)) == given_record


@settings(max_examples=scaled(100))
@given(SHADOWS)
def test_a_shadow_survives_as_a_row(given_record):
    assert shadow_of_row(row_of_shadow(given_record)) == given_record


@pytest.mark.without_coverage
@pytest.mark.thorough
@settings(max_examples=scaled(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exchange=RECORDS, shadow=SHADOWS)
def test_both_survive_in_a_database(store, exchange, shadow):
    with store.writing() as connection:
        connection.execute(exchanges.delete())
        connection.execute(shadows.delete())
    store.add([exchange, shadow])
    with store.engine.connect() as connection:
        (row,) = connection.execute(select(exchanges)).mappings()
        (shadow_row,) = connection.execute(select(shadows)).mappings()

    assert exchange_of_row(dict(row)) == exchange
    assert shadow_of_row(dict(shadow_row)) == shadow


@pytest.fixture
def store(url):
    opened = open_ready(url)
    yield opened
    opened.close()


@given(MOMENT)
def test_moments_survive_as_milliseconds(moment: str):
    assert moment_of(milliseconds_of(moment)) == moment


def test_what_no_database_takes_is_replaced():
    row = row_of_exchange(record(asked_model="claude\0-2", max_tokens=2**70, top_k=-(2**70)))

    assert row["asked_model"] == "claude\N{REPLACEMENT CHARACTER}-2"
    assert (row["max_tokens"], row["top_k"]) == (2**63 - 1, -(2**63) + 1)
    assert row_of_shadow(shadow_record(failure="a\0b"))["failure"] == "a\ufffdb"
