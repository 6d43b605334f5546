"""What is said of one caller, from its records."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.errors import Blame
from proxy.report.callers import CallerStatistics, callers_of, merge_callers
from proxy.report.model import (
    Counted,
    ErrorUse,
    Example,
    ModelUse,
    Outcomes,
    Percentiles,
    Spent,
)
from proxy.traffic import default_url
from proxy.traffic.store.aggregates import ClientGroup, aggregate
from proxy.traffic.store.rollups.period import Period
from tests.proxy.report.harness import PRESENT, made, report_of
from tests.ready_store import open_ready
from tests.record_factory import record
from tests.recorded_exchanges import exchange, moment

OVERLOADED = {"status": 529, "error_type": "overloaded_error", "blame": Blame.UPSTREAM}
REFUSED = {"status": 400, "error_type": "invalid_request_error", "blame": Blame.CLIENT}


def of(tmp_path, *records):
    [caller] = report_of(tmp_path, records).callers
    return caller


def test_a_caller_is_described_by_what_it_sent(tmp_path):
    common = {"caller_name": "nightly", "sdk": "python 0.3.11"}
    caller = of(
        tmp_path,
        record(id="a", received=moment(1), features=("system", "top_k"), streamed=True, **common),
        record(id="b", received=moment(60), features=("system",), rule="canary", **common),
    )

    assert (caller.name, caller.digest, caller.exchanges) == ("nightly", "0123456789abcdef", 2)
    assert (caller.first_seen, caller.last_seen) == (moment(1), moment(60))
    assert caller.streamed_share == 0.5
    assert caller.sdks == (Counted(name="python 0.3.11", count=2, share=1.0),)
    assert caller.user_agents == (Counted(name="python-requests/2.31.0", count=2, share=1.0),)
    assert caller.dialects == (Counted(name="2023-06-01", count=2, share=1.0),)
    assert caller.features == (
        Counted(name="system", count=2, share=1.0),
        Counted(name="top_k", count=1, share=0.5),
    )
    assert caller.routes == (Counted(name="translate", count=2, share=1.0),)
    assert caller.rules == (
        Counted(name="canary", count=1, share=0.5),
        Counted(name="none", count=1, share=0.5),
    )
    assert caller.models == (
        ModelUse(asked="claude-2.1", sent="claude-haiku-4-5-20251001", count=2, share=1.0),
    )
    assert caller.outcomes == Outcomes(answered=2)
    assert caller.latency.total == Percentiles(p50=5.99, p95=5.99, p99=5.99)
    assert caller.latency.first_token == Percentiles(p50=5.0, p95=5.0, p99=5.0)
    assert caller.spent == Spent(
        input_tokens=12, output_tokens=28, cost=(12 * 1 + 28 * 5) / 1e6, unpriced_models=()
    )
    assert caller.call is not None
    assert (caller.call.exchange, caller.call.is_captured) == ("b", False)


def test_adjustments_are_counted_by_exchange_and_shown_by_example(tmp_path):
    capped, retired = made("cap_max_tokens", "9", "8"), made("replace_retired_model")
    caller = of(
        tmp_path,
        record(id="a", received=moment(1), adjustments=(retired, capped)),
        record(id="b", received=moment(2), adjustments=(retired,)),
        record(id="c", received=moment(3), adjustments=(made("cap_max_tokens", "7", "6"),)),
    )

    found = [(use.kind, use.count, use.share, use.work) for use in caller.adjustments]
    assert found == [
        ("cap_max_tokens", 2, 0.6667, "decision"),
        ("replace_retired_model", 2, 0.6667, "mechanical"),
    ]
    assert set(caller.adjustments[0].examples) == {
        Example(field="field", asked="9", sent="8", count=1),
        Example(field="field", asked="7", sent="6", count=1),
    }
    assert caller.readiness.score == 0.3333


def test_errors_are_counted_by_status_type_and_blame(tmp_path):
    caller = of(
        tmp_path,
        *(record(id=f"{n}", received=moment(n), **OVERLOADED) for n in range(2)),
        record(id="bad", received=moment(3), **REFUSED),
        record(id="good", received=moment(4)),
    )

    assert caller.errors == (
        ErrorUse(status=529, type="overloaded_error", blame="upstream", count=2, share=0.5),
        ErrorUse(status=400, type="invalid_request_error", blame="client", count=1, share=0.25),
    )
    assert caller.error_share == 0.75
    assert caller.outcomes == Outcomes(answered=1, upstream_error=2, client_error=1)


def test_the_call_is_made_of_what_was_captured_rather_than_of_what_came_last(tmp_path):
    caller = of(tmp_path, *exchange(1, prompt="\n\nHuman: Why?\n\nAssistant:"), record(id="later"))

    assert caller.call is not None
    assert (caller.call.exchange, caller.call.is_captured) == ("req_0001", True)
    assert "Why?" in caller.call.code


@pytest.mark.parametrize("bad", [REFUSED, {"status": None, "client_gone": True}, {"status": 502}])
def test_the_call_is_rather_made_of_what_was_answered(tmp_path, bad):
    caller = of(
        tmp_path,
        *exchange(1, asked_model="claude-2.1"),
        *exchange(2, asked_model="claude-2.1", **bad),
        *exchange(3, asked_model="claude-2.1", **bad),
        record(id="later", received=moment(9), **bad),
    )

    assert caller.call is not None
    assert (caller.call.exchange, caller.call.is_captured) == ("req_0001", True)
    assert caller.call.share == 1.0


def test_where_nothing_was_answered_the_call_is_made_of_the_last(tmp_path):
    caller = of(
        tmp_path,
        record(id="one", received=moment(1), **OVERLOADED),
        record(id="two", received=moment(2), **REFUSED),
    )

    assert caller.call is not None
    assert caller.call.exchange == "two"


def test_the_call_is_of_what_is_asked_most_often_and_so_is_the_old_one(tmp_path):
    often: dict[str, Any]
    rare: dict[str, Any]
    often, rare = {"features": ("system",)}, {"features": ("top_k",), "asked_model": "claude-2"}
    caller = of(
        tmp_path,
        *exchange(1, **often),
        *(record(id=f"often {n}", received=moment(n), **often) for n in range(2, 5)),
        *exchange(5, **rare),
        record(id="bad", received=moment(6), **often, **REFUSED),
        record(id="unread", received=moment(7), asked_model=None, **REFUSED),
    )

    assert caller.call is not None
    assert (caller.call.exchange, caller.call.asked) == ("req_0001", "claude-2.1")
    assert caller.call.share == 0.7143


def test_what_a_second_try_rescued_is_counted(tmp_path):
    rescued = {"first_failure": "503 api_error", "route": "forward"}
    caller = of(
        tmp_path,
        record(id="good", received=moment(1)),
        *(record(id=f"{n}", received=moment(n), **rescued) for n in (2, 3)),
    )

    assert caller.rescued == 2
    assert caller.readiness.score == 0.3333


def test_nothing_is_called_where_nothing_could_be_read(tmp_path):
    unread = {"asked_model": None, "sent_model": None, "dialect": None, "sdk": None}
    caller = of(tmp_path, record(received=moment(1), caller=None, **unread, **REFUSED))

    assert caller.call is None
    assert (caller.name, caller.digest) == (None, None)
    assert caller.models == (ModelUse(asked=None, sent=None, count=1, share=1.0),)
    assert caller.dialects == (Counted(name="none", count=1, share=1.0),)


def test_callers_come_by_volume_and_then_by_the_alphabet(tmp_path):
    names = ["b", "a", "c", "c"]
    records = [
        record(id=f"{n}", received=moment(n), caller_name=name) for n, name in enumerate(names)
    ]

    assert [each.name for each in report_of(tmp_path, records).callers] == ["c", "a", "b"]


def test_a_caller_whose_shapes_found_no_room_is_left_out(tmp_path):
    store = open_ready(default_url(tmp_path))
    with store.reading() as connection:
        sums = aggregate(connection, Period(0, 60_000), None, 1_000)
    store.close()
    late = replace(sums, clients=(ClientGroup("who", None, None, 1),))

    assert callers_of(late) == {}


def test_nobody_together_is_an_empty_caller():
    assert merge_callers([]) == CallerStatistics()


def test_a_name_that_the_settings_give_to_a_digest_holds_from_its_first_exchange_on(tmp_path):
    present = replace(
        PRESENT, names={"a" * 16: "nightly", "c" * 16: "weekly"}, owners={"nightly": "Ann"}
    )
    records = (
        record(id="a", received=moment(1), caller="a" * 16, sdk="python 0.3.11"),
        record(id="b", received=moment(2), caller="a" * 16, sdk="python 0.3.11"),
        record(id="c", received=moment(3), caller="a" * 16, caller_name="nightly"),
        record(id="d", received=moment(4), caller="b" * 16),
        record(id="e", received=moment(5), caller=None),
    )

    report = report_of(tmp_path, records, present=present)
    alone = report_of(tmp_path, records, present=present, caller="nightly")

    said = [(each.name, each.digest, each.owner, each.exchanges) for each in report.callers]
    assert said == [
        ("nightly", "a" * 16, "Ann", 3),
        (None, None, None, 1),
        (None, "b" * 16, None, 1),
    ]
    assert alone.callers[0].exchanges == 3
    assert sum(each.count for each in alone.callers[0].user_agents) == 3
    nightly = report.standings[0]
    assert (nightly.owner, nightly.client, nightly.model) == ("Ann", "python 0.3.11", "claude-2.1")
    assert (nightly.share, nightly.last_seen, nightly.is_enough) == (0.6, moment(3), False)
