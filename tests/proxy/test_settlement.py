from pathlib import Path

import pytest
from structlog.testing import capture_logs

from proxy.failures import Blame
from proxy.guards import Guards
from proxy.metrics import Metrics
from proxy.noticeboard import Noticeboard
from proxy.redaction import Redactor
from proxy.rules import Guard
from proxy.settlement import Settlement
from proxy.traffic import TrafficRecord
from tests.records import record as plain_record

GUARD = Guard(errors_above=10, min_count=1)


def record(**fields):
    return plain_record(**({"rule": "risky"} | fields))


def settlement(metrics: Metrics, guards: Guards) -> Settlement:
    return Settlement(evidence=None, redactor=Redactor(), metrics=metrics, guards=guards)


def trips(directory: Path, *records: TrafficRecord) -> bool:
    """Whether the guard of the rule trips after these."""
    metrics = Metrics()
    guards = Guards(Noticeboard(directory), metrics)
    guards.watch({"risky": GUARD})
    settle = settlement(metrics, guards)
    for one in records:
        settle.settle(one)
    for _ in range(3):
        guards.judge()
    return guards.tripped == {"risky"}


@pytest.mark.parametrize(
    ("fields", "is_failure"),
    [
        ({}, False),
        ({"status": 502, "blame": Blame.UPSTREAM}, True),
        ({"status": 400, "blame": Blame.CLIENT}, True),
        # A stream that broke off after its 200.
        ({"error_type": "api_error", "blame": Blame.UPSTREAM}, True),
        # What a second try made good.
        ({"first_failure": "529 overloaded_error"}, True),
        # There was nobody to ask.
        ({"status": 502, "upstream_ms": None, "blame": Blame.UPSTREAM}, True),
        # Nobody waited for it any more.
        ({"status": 502, "client_gone": True}, False),
        ({"status": None, "first_byte_ms": None, "client_gone": True}, False),
        # What we refuse ourselves, and keys that open nothing: anybody can bring that about.
        ({"status": 400, "upstream_ms": None, "blame": Blame.CLIENT}, False),
        ({"status": 401, "route": None, "upstream_ms": None, "blame": Blame.CLIENT}, False),
        ({"status": 401, "blame": Blame.CLIENT}, False),
        # A brown-out or a sunset is what the operator wanted.
        ({"route": "refuse", "status": 410, "error_type": "not_found_error"}, False),
        # It is another rule's.
        ({"rule": "other", "status": 502}, False),
    ],
)
def test_a_guard_counts_as_failed_what_failed_by_the_rule(tmp_path: Path, fields, is_failure):
    assert trips(tmp_path, record(**fields)) is is_failure


def test_refusals_do_not_make_the_rest_look_bad(tmp_path: Path):
    refused = [record(rule="sunset", route="refuse", status=410) for _ in range(20)]

    assert trips(tmp_path, *refused, record(status=502))


def test_who_gives_up_waiting_says_that_it_took_at_least_that_long(tmp_path: Path):
    metrics = Metrics()
    guards = Guards(Noticeboard(tmp_path), metrics)
    guards.watch({"risky": Guard(p95_ratio=2, min_count=2)})
    settle = settlement(metrics, guards)
    for _ in range(2):
        settle.settle(
            record(first_byte_ms=None, upstream_ms=None, total_ms=9000.0, client_gone=True)
        )
        settle.settle(record(rule=None))
    for _ in range(3):
        guards.judge()

    assert guards.tripped == {"risky"}


def test_every_exchange_is_logged_and_counted(tmp_path: Path):
    metrics = Metrics()
    settle = settlement(metrics, Guards(Noticeboard(tmp_path), metrics))

    with capture_logs() as lines:
        settle.settle(record())

    assert [(line["event"], line["rule"], line["status"]) for line in lines] == [
        ("exchange", "risky", 200)
    ]
    assert b"holdover_exchanges_total{" in metrics.as_text()
