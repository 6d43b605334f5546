import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from proxy.errors import Blame
from proxy.exchange.context import ExchangeContext
from proxy.exchange.finalize import (
    ExchangeFinalizer,
    Verdict,
    user_of_ending_model,
    verdict_on,
)
from proxy.observability.metrics import Metrics
from proxy.rollout.rule_schema import Guard
from proxy.security.redaction import Redactor
from proxy.traffic import JournalWriter, ShadowRecord, TrafficRecord
from proxy.traffic.redact_bodies import BodyRecorder, ExchangeBodies
from proxy.traffic.status import Recording
from proxy.workers.guards import Guards
from proxy.workers.model_users import ModelUsers
from proxy.workers.shared_state import SharedState
from tests.record_factory import record as plain_record
from translators import KNOWN_MODELS

GUARD = Guard(errors_above=10, min_count=1)
SONNET = "claude-sonnet-4-5-20250929"


def record(**fields):
    return plain_record(**({"rule": "risky"} | fields))


REFUSED: dict[str, Any] = {
    "route": "refuse",
    "status": 410,
    "error_type": "not_found_error",
    "blame": Blame.NOBODY,
}


def settlement(metrics: Metrics, guards: Guards) -> ExchangeFinalizer:
    return ExchangeFinalizer(
        evidence=None,
        redactor=Redactor(),
        metrics=metrics,
        guards=guards,
        model_users=ModelUsers(guards.shared_state),
    )


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ({"sent_model": "claude-sonnet-4-5"}, (SONNET, "0123456789abcdef")),
        ({"sent_model": SONNET, "caller_name": "billing"}, (SONNET, "billing")),
        ({"sent_model": SONNET, "received": "2026-11-30T00:00:00.000+00:00"}, None),
        ({"sent_model": SONNET, "caller": None}, None),
        ({"sent_model": "claude-haiku-4-5"}, None),
        ({"sent_model": "my-model"}, None),
        ({"sent_model": None}, None),
        (
            {"route": "forward", "asked_model": "claude-sonnet-4-5", "sent_model": None},
            (SONNET, "0123456789abcdef"),
        ),
        ({"route": "forward", "asked_model": "claude-2.1", "sent_model": SONNET}, None),
    ],
    ids=[
        *("by digest", "by name", "it has ended", "nobody", "no day is known", "unknown model"),
        *("none was asked", "forwarded", "forwarded after a first try"),
    ],
)
def test_a_caller_uses_a_model_whose_end_is_to_come(fields, user):
    assert user_of_ending_model(record(**fields), KNOWN_MODELS) == user


def trips(directory: Path, *records: TrafficRecord) -> bool:
    """Whether the guard of the rule trips after these."""
    metrics = Metrics()
    guards = Guards(SharedState(directory), metrics)
    guards.watch({"risky": GUARD})
    settle = settlement(metrics, guards)
    for one in records:
        settle.finalize(one)
    for _ in range(3):
        guards.judge()
    return guards.tripped == {"risky"}


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, Verdict.FINE),
        ({"status": 502, "blame": Blame.UPSTREAM}, Verdict.FAILED),
        ({"status": 400, "blame": Blame.CLIENT}, Verdict.FAILED),
        ({"status": 429, "blame": Blame.CLIENT}, Verdict.FAILED),
        # There is no such model as the rule chose, or no such path.
        ({"status": 404, "blame": Blame.CLIENT}, Verdict.FAILED),
        # Upstream refused a key of ours.
        ({"status": 502, "blame": Blame.HOLDOVER}, Verdict.FAILED),
        # A stream that broke off after its 200, translated or not.
        ({"error_type": "api_error", "blame": Blame.UPSTREAM}, Verdict.FAILED),
        ({"route": "forward", "failure": "broke off", "blame": Blame.UPSTREAM}, Verdict.FAILED),
        # What a second try made good, and what it did not.
        ({"first_failure": "529 overloaded_error"}, Verdict.FAILED),
        (
            {"first_failure": "529 overloaded_error", "status": 401, "blame": Blame.CLIENT},
            Verdict.FAILED,
        ),
        # There was nobody to ask.
        ({"status": 502, "upstream_ms": None, "blame": Blame.UPSTREAM}, Verdict.FAILED),
        # Nobody waited for it any more.
        ({"status": 200, "client_gone": True}, Verdict.FINE),
        ({"status": 502, "client_gone": True, "blame": Blame.UPSTREAM}, Verdict.LEFT),
        ({"status": None, "first_byte_ms": None, "client_gone": True}, Verdict.LEFT),
        # A model that refuses has answered, though a setting calls it an error.
        (
            {"status": 400, "error_type": "invalid_request_error", "blame": Blame.NOBODY},
            Verdict.FINE,
        ),
        # What we refuse ourselves, and keys that open nothing: anybody can bring that about.
        ({"status": 400, "upstream_ms": None, "blame": Blame.CLIENT}, Verdict.NOTHING),
        (
            {"status": 401, "route": None, "upstream_ms": None, "blame": Blame.CLIENT},
            Verdict.NOTHING,
        ),
        ({"status": 401, "blame": Blame.CLIENT}, Verdict.NOTHING),
        ({"status": 402, "blame": Blame.CLIENT}, Verdict.NOTHING),
        ({"status": 403, "blame": Blame.CLIENT}, Verdict.NOTHING),
        # A shutdown.
        ({"status": 503, "blame": Blame.HOLDOVER}, Verdict.NOTHING),
        # A brown-out or a sunset is what the operator wanted.
        (REFUSED, Verdict.NOTHING),
    ],
)
def test_a_guard_counts_as_failed_what_failed_by_the_rule(tmp_path: Path, fields, verdict):
    assert verdict_on(record(**fields), lacked_model=False) is verdict
    assert trips(tmp_path, record(**fields)) is (verdict is Verdict.FAILED)


@pytest.mark.parametrize("first_failure", [None, "404 not_found_error"])
def test_a_model_that_there_is_not_says_nothing_where_the_client_named_it(first_failure):
    missed = record(status=404, blame=Blame.CLIENT, first_failure=first_failure)

    assert verdict_on(missed, lacked_model=True) is Verdict.NOTHING


def test_what_is_another_rules_costs_this_one_nothing(tmp_path: Path):
    assert not trips(tmp_path, record(rule="other", status=502, blame=Blame.UPSTREAM))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"caller_name": "a"}, {"caller_name": "b"}),
        ({"caller": "0" * 16}, {"caller": "1" * 16}),
        ({"caller": "0" * 16}, {"caller": "0" * 16, "caller_name": "b"}),
    ],
)
def test_callers_are_told_apart_by_name_or_else_by_key(tmp_path: Path, one, other):
    failed = {"status": 502, "blame": Blame.UPSTREAM}

    assert trips(tmp_path, *[record(**failed, **one)] * 9)
    assert not trips(tmp_path / "b", *[record(**failed, **one)] * 9, record(**other))


def test_refusals_do_not_make_the_rest_look_bad(tmp_path: Path):
    refused = [record(rule="sunset", **REFUSED) for _ in range(20)]

    assert trips(tmp_path, *refused, record(status=502, blame=Blame.UPSTREAM))


def test_who_gives_up_waiting_says_that_it_took_at_least_that_long(tmp_path: Path):
    metrics = Metrics()
    guards = Guards(SharedState(tmp_path), metrics)
    guards.watch({"risky": Guard(p95_ratio=2, min_count=2)})
    settle = settlement(metrics, guards)
    for _ in range(2):
        settle.finalize(
            record(first_byte_ms=None, upstream_ms=None, total_ms=9000.0, client_gone=True)
        )
        settle.finalize(record(rule=None))
    for _ in range(3):
        guards.judge()

    assert guards.tripped == {"risky"}


def test_every_exchange_is_logged_and_counted(tmp_path: Path):
    metrics = Metrics()
    settle = settlement(metrics, Guards(SharedState(tmp_path), metrics))

    with capture_logs() as lines:
        settle.finalize(record())

    assert [(line["event"], line["rule"], line["status"]) for line in lines] == [
        ("exchange", "risky", 200)
    ]
    assert b"holdover_exchanges_total{" in metrics.as_text()


class Slow(BodyRecorder):
    """Writes contents when it is told to."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.written: list[str] = []

    async def write(self, spoken: ExchangeBodies) -> None:
        await self.may_go_on.wait()
        self.written.append(spoken.id)


class Kept(JournalWriter):
    """Keeps records where a test can look."""

    def __init__(self) -> None:
        self.records: list[str] = []

    def add(self, entry: TrafficRecord | ShadowRecord) -> None:
        self.records.append(entry.id)


def keeping(tmp_path: Path) -> tuple[ExchangeFinalizer, Kept, Slow]:
    metrics, journal_writer, contents = Metrics(), Kept(), Slow()
    evidence = Recording(directory=tmp_path, journal_writer=journal_writer, contents=contents)
    guards = Guards(SharedState(tmp_path), metrics)
    settle = ExchangeFinalizer(
        evidence=evidence,
        redactor=Redactor(),
        metrics=metrics,
        guards=guards,
        model_users=ModelUsers(guards.shared_state),
    )
    return settle, journal_writer, contents


def notes_with_tape() -> ExchangeContext:
    notes = ExchangeContext(path="/v1/complete", headers=[])
    notes.begin_capture("full", b"{}")
    return notes


@pytest.mark.anyio
async def test_what_was_said_is_written_first_and_all_of_it_once(tmp_path: Path):
    settle, journal_writer, contents = keeping(tmp_path)
    notes = notes_with_tape()
    first = asyncio.ensure_future(settle(notes))
    await asyncio.sleep(0)
    before = list(journal_writer.records)
    contents.may_go_on.set()
    await first
    await settle(notes)

    assert before == []
    assert journal_writer.records == contents.written == [notes.id]


@pytest.mark.anyio
async def test_a_client_that_goes_while_that_is_written_costs_no_record(tmp_path: Path):
    settle, journal_writer, _ = keeping(tmp_path)
    notes = notes_with_tape()
    first = asyncio.ensure_future(settle(notes))
    await asyncio.sleep(0)
    first.cancel()
    await settle(notes)

    assert journal_writer.records == [notes.id]


@pytest.mark.anyio
async def test_who_settles_meanwhile_is_not_contradicted(tmp_path: Path):
    settle, journal_writer, contents = keeping(tmp_path)
    notes = notes_with_tape()
    first = asyncio.ensure_future(settle(notes))
    await asyncio.sleep(0)
    await settle(notes)
    contents.may_go_on.set()
    await first

    assert journal_writer.records == [notes.id]
