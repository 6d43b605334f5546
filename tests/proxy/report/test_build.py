"""Whole reports, from a store to the value."""

from dataclasses import replace

import msgspec
import pytest

from proxy.errors import Blame
from proxy.report.build import MAX_CALLERS, build_report
from proxy.report.callers import ReportSettings
from proxy.report.collect import collect_report_input
from proxy.report.formatting import lost_exchanges
from proxy.report.model import HitCaller, Outcomes, Report, Retirement
from proxy.report.prices import Price
from proxy.traffic import default_url
from tests.proxy.report.harness import DAY_MS, NOW, PRESENT, made, report_of
from tests.ready_store import open_ready
from tests.record_factory import record, shadow_record
from tests.recorded_exchanges import exchange, moment
from translators import Policy


def test_totals_are_of_all_callers_together(tmp_path):
    error = {"status": 500, "error_type": "api_error", "blame": Blame.UPSTREAM}
    report = report_of(
        tmp_path,
        [
            record(id="a", received=moment(1), caller_name="a", streamed=True),
            record(id="b", received=moment(2), caller_name="b", route="forward", sent_model=None),
            record(id="c", received=moment(3), caller_name="b", **error),
            record(id="d", received=moment(4), adjustments=(made("drop_top_k"),)),
        ],
    )

    totals = report.totals
    assert (totals.exchanges, totals.callers, totals.error_share) == (4, 3, 0.25)
    assert (totals.translated, totals.forwarded, totals.streamed) == (3, 1, 1)
    assert totals.outcomes == Outcomes(answered=3, upstream_error=1)
    assert totals.readiness == 0.5
    assert totals.spent.input_tokens == 24


def test_what_a_second_try_rescued_was_not_forwarded_as_it_is(tmp_path):
    rescued = {"first_failure": "503 api_error", "route": "forward"}
    report = report_of(
        tmp_path,
        [
            record(id="a", received=moment(1), route="forward", sent_model=None),
            record(id="b", received=moment(2), **rescued),
            record(id="c", received=moment(3), **rescued | {"route": "translate"}),
        ],
    )

    totals = report.totals
    assert (totals.translated, totals.forwarded, totals.rescued) == (1, 1, 2)
    assert any(said.startswith("2 exchanges needed a second") for said in report.coverage.notes)


def test_an_empty_store_makes_a_report_that_is_empty(tmp_path):
    report = report_of(tmp_path, [])

    assert report.is_empty
    assert (report.callers, report.standings, report.volume.buckets) == ((), (), ())
    assert (report.totals.readiness, report.coverage.recorded_since) == (None, None)


def test_a_report_comes_back_from_its_json(tmp_path):
    report = report_of(tmp_path, [*exchange(1), record(id="b", received=moment(2))])

    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_those_that_are_ready_are_found_among_all_callers(tmp_path):
    report = report_of(
        tmp_path,
        [
            *(record(id=f"{n}", received=moment(n), caller_name="ready") for n in range(10)),
            record(
                id="b", received=moment(2), caller_name="not", adjustments=(made("drop_top_k"),)
            ),
            record(
                id="c", received=moment(3), caller_name="unknown", route="forward", sent_model=None
            ),
        ],
    )

    assert [each.name for each in report.ready] == ["ready"]
    assert {each.name: each.readiness for each in report.standings} == {
        "ready": 1.0,
        "not": 0.0,
        "unknown": None,
    }


def test_of_more_callers_than_anybody_reads_the_rest_is_summed_up(tmp_path):
    count = MAX_CALLERS + 5
    report = report_of(
        tmp_path,
        [
            record(
                id=f"{caller}-{n}",
                received=moment(n),
                caller_name=f"caller-{caller:02}",
                adjustments=(made("drop_top_k"),) * (caller == 0),
            )
            for caller in range(count)
            for n in range(1 + caller)
        ],
    )

    assert [each.name for each in report.callers][:2] == ["caller-24", "caller-23"]
    assert (len(report.callers), len(report.standings)) == (MAX_CALLERS, count)
    assert report.others is not None
    assert (report.others.callers, report.others.exchanges) == (5, 1 + 2 + 3 + 4 + 5)
    assert report.others.lowest_readiness == 0.0
    assert report.others.outcomes == Outcomes(answered=15)
    assert report.others.spent.input_tokens == 15 * 6


def test_a_report_may_be_of_one_caller(tmp_path):
    records = [record(id=f"{n}", received=moment(n), caller_name=f"c{n}") for n in range(3)]

    report = report_of(tmp_path, records, caller="c1")

    assert report.caller == "c1"
    assert [each.name for each in report.callers] == ["c1"]
    assert report.totals.exchanges == 1


def test_volume_begins_where_the_records_do(tmp_path):
    report = report_of(tmp_path, [record(received=moment(10 * 3_600))], since_ms=NOW - 2 * DAY_MS)

    assert report.volume.step == "hour"
    assert [each.begin for each in report.volume.buckets] == [moment(36_000), moment(39_600)]
    assert report.coverage.recorded_since == moment(36_000)


def test_steps_are_as_long_as_what_is_covered_asks_for(tmp_path):
    recent = record(received=moment(11 * 3_600))

    report = report_of(tmp_path, [recent], since_ms=NOW - 90 * DAY_MS)
    assert report.volume.step == "minute"
    assert [each.exchanges for each in report.volume.buckets] == [1, *[0] * 59]


def test_shadows_of_the_period_are_reported(tmp_path):
    report = report_of(tmp_path, [record(received=moment(1)), shadow_record(ended=moment(2))])

    [shadows] = report.shadows
    assert (shadows.rule, shadows.shadow.compared, shadows.shadow.equal_share) == ("risky", 1, 1.0)


def test_models_that_retire_soon_are_named_with_who_is_hit(tmp_path):
    sent = {"sent_model": "claude-sonnet-4-5-20250929"}
    forwarded = {"route": "forward", "sent_model": None}
    report = report_of(
        tmp_path,
        [
            record(id="a", received=moment(1), caller_name="a", **sent),
            *(record(id=f"{n}", received=moment(n), caller_name="b", **sent) for n in (2, 3)),
            record(
                id="e",
                received=moment(5),
                caller_name="a",
                asked_model="claude-2",
                sent_model="claude-sonnet-4-5",  # its alias
            ),
            record(id="d", received=moment(4), sent_model="claude-opus-4-8"),
            record(id="f", received=moment(6), sent_model="claude-next"),
            record(id="g", received=moment(7), sent_model=None, asked_model=None),
            record(id="h", received=moment(8), **forwarded, asked_model="claude-opus-4-6"),
            # What was only asked for, and what a first try would have had translated.
            record(id="i", received=moment(9), sent_model=None, asked_model="claude-opus-4-6"),
            record(id="j", received=moment(10), route="forward", asked_model="x", **sent),
            record(id="k", received=moment(11), **forwarded, asked_model="claude-2.1"),
            record(id="l", received=moment(12), **forwarded, asked_model="claude-3-haiku-20240307"),
        ],
    )
    *coming, later, earlier = report.retirements

    digest = "0123456789abcdef"
    assert (later.model, later.retires) == ("claude-3-haiku-20240307", "2026-04-20")
    assert (earlier.model, earlier.is_past) == ("claude-2.1", True)
    assert tuple(coming) == (
        Retirement(
            model="claude-sonnet-4-5-20250929",
            retires="2026-11-30",
            not_before=None,
            days_left=7,
            successor="claude-sonnet-5-5",
            exchanges=4,
            callers=(
                HitCaller(name="a", digest=digest, count=2),
                HitCaller(name="b", digest=digest, count=2),
            ),
        ),
        Retirement(
            model="claude-opus-4-6",
            retires=None,
            not_before="2027-02-05",
            days_left=74,
            successor="claude-opus-5-5",
            exchanges=1,
            callers=(HitCaller(name=None, digest=digest, count=1),),
        ),
    )


def test_the_prices_of_the_settings_count(tmp_path):
    prices = {"claude-haiku-*": Price(1_000_000, 0)}
    present = ReportSettings(policy=Policy(), prices=prices, today="2026-11-23")

    assert report_of(tmp_path, [record(received=moment(1))], present=present).totals.spent.cost == 6


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({}, "No content was captured"),
        ({"route": "forward", "sent_model": None}, "1 exchange went on without"),
    ],
)
def test_what_cannot_be_known_is_said(tmp_path, fields, note):
    notes = report_of(tmp_path, [record(received=moment(1), **fields)]).coverage.notes

    assert any(said.startswith(note) for said in notes)


def test_nothing_is_missing_where_all_is_captured(tmp_path):
    coverage = report_of(tmp_path, exchange(1)).coverage

    assert (coverage.with_bodies, coverage.notes) == (1, ())


def test_what_was_too_much_to_be_counted_is_said(tmp_path):
    store = open_ready(default_url(tmp_path))
    store.add([record(id="a", received=moment(1)), record(id="b", received=moment(2), top_k=None)])
    gathered = collect_report_input(store, 0, NOW, None)
    store.close()
    cut = replace(gathered, callers={}, sums=replace(gathered.sums, without_program=1))

    over_time, programs = build_report(cut, PRESENT, NOW).coverage.notes
    assert over_time.endswith("2 exchanges are left out of everything else.")
    assert programs.endswith("times of 1 exchange are left out.")


def test_of_many_days_with_lost_sums_the_first_are_named():
    said = lost_exchanges({f"2026-11-{day:02}": 1_000 for day in range(1, 10)})

    assert said.startswith("The sums of 9,000 exchanges were deleted, and so were their records")
    assert said.endswith(
        "2026-11-07: 1,000, and 2 more days): only a backup of the store has them."
    )


def test_sums_that_are_still_being_built_are_said_to_be_missing(tmp_path):
    store = open_ready(default_url(tmp_path))
    gathered = collect_report_input(store, 0, NOW, None)
    store.close()

    [note] = build_report(replace(gathered, left_to_build=2), PRESENT, NOW).coverage.notes
    assert note.startswith("The sums of 2 older exchanges are still being built")
