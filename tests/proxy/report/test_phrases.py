from functools import partial

import msgspec
import pytest

from proxy.report import formatting as spelling
from proxy.report import phrases as words
from proxy.report.model import HitCaller, ModelUse, Outcomes, Readiness, Spent
from tests.proxy.report.factories import (
    call,
    caller,
    compared,
    counted,
    coverage,
    error,
    readiness,
    reason,
    report,
    retirement,
    shadows,
    standing,
)
from translators import LANGUAGES

READY, NOT_READY = readiness(1.0), readiness(0.5)


@pytest.mark.parametrize(
    ("callers", "said"),
    [
        ([], "No caller used Text Completions."),
        ([READY], "1 caller still uses Text Completions; it is ready to cut over."),
        ([NOT_READY], "1 caller still uses Text Completions; it is not ready to cut over."),
        ([NOT_READY] * 3, "3 callers still use Text Completions; none is ready to cut over."),
        (
            [READY, NOT_READY],
            "2 callers still use Text Completions; 1 is ready to cut over.",
        ),
        (
            [READY, READY, NOT_READY],
            "3 callers still use Text Completions; 2 are ready to cut over.",
        ),
        ([READY] * 2, "2 callers still use Text Completions; all are ready to cut over."),
    ],
)
def test_the_headline_counts_callers_and_those_that_are_ready(callers, said):
    given = report(*(caller(f"caller-{n}", readiness=one) for n, one in enumerate(callers)))

    assert words.headline(given) == said


def test_the_summary_names_the_busiest_caller_and_what_retires_first():
    given = report(caller(), retirements=(retirement(),))

    assert words.summary(given) == (
        "10 requests, 100 % of them answered. nightly-batch sent 100 % of them."
        " claude-opus-4-8, which 1 caller depends on, retires on 31 Jan 2027."
    )


def test_a_summary_of_a_time_in_which_nothing_is_shown_one_by_one_names_nobody():
    given = report(caller())
    nobody = report(totals=given.totals)

    assert words.summary(nobody) == "10 requests, 100 % of them answered."


@pytest.mark.parametrize(
    ("days_left", "said", "in_the_summary"),
    [
        (-4, "any day", "which 2 callers depend on, may retire any day."),
        (9, "not before 2 Dec 2026", "which 2 callers depend on, retires not before 2 Dec 2026."),
    ],
)
def test_a_model_without_a_certain_day_retires_not_before(days_left, said, in_the_summary):
    two = (HitCaller(name="a", digest=None, count=1), HitCaller(name="b", digest=None, count=1))
    model = retirement(retires=None, not_before="2026-12-02", days_left=days_left, callers=two)

    assert words.retirement_day(model) == said
    assert words.summary(report(caller(), retirements=(model,))).endswith(in_the_summary)


def test_a_model_with_a_certain_day_retires_in_so_many_days():
    assert words.retirement_day(retirement(days_left=1)) == "31 Jan 2027 (1 day left)"


def test_what_the_report_cannot_know_is_said():
    given = report(
        caller(),
        coverage=coverage(
            recorded_since="2026-11-20T10:00:00.000+00:00",
            lost_records=2,
            dropped_contents=1,
            notes=("A worker is late.",),
        ),
    )

    assert list(words.caveats(given)) == [
        "Records only exist from 20 Nov 2026, 10:00 UTC on; the report begins there.",
        "2 records of this period were lost.",
        "The texts of 1 request were deleted because space ran out; their records are complete.",
        "A worker is late.",
    ]


@pytest.mark.parametrize("since", [None, "2026-11-01T00:00:00.000+00:00"])
def test_a_report_that_knows_everything_has_no_caveats(since):
    assert list(words.caveats(report(coverage=coverage(recorded_since=since)))) == []


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (caller("web-chat"), "web-chat"),
        (caller(None), "0123456789abcdef"),
        (caller(None, digest=None), "without a key"),
    ],
)
def test_a_caller_is_called_by_name_or_by_digest(one, name):
    assert words.caller_name(one) == name


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "10 requests, 100 % of all, from python 0.3.11. It asks for claude-2.1."),
        (
            {"sdks": (), "error_share": 0.25, "models": ()},
            "10 requests, 100 % of all, from Anthropic/Python 0.3.11. 25 % ended in an error.",
        ),
        (
            {"sdks": (counted("none"),), "models": (), "exchanges": 1},
            "1 request, 100 % of all, from Anthropic/Python 0.3.11.",
        ),
    ],
)
def test_a_caller_is_described_by_what_finds_it(fields, said):
    assert words.caller_description(caller(**fields)) == said


def test_a_caller_whose_tokens_have_a_price_costs_something():
    spent = Spent(input_tokens=1, output_tokens=1, cost=1.5, unpriced_models=())

    assert words.caller_description(caller(spent=spent)).endswith("Its tokens cost $1.50.")


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (1.0, "Nothing but the call itself has to change."),
        (None, "None of its requests can be judged,"),
    ],
)
def test_where_no_reason_is_given_that_is_said(score, said):
    assert words.nothing_to_change(caller(readiness=readiness(score))).startswith(said)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("python", 'client.completions.create(model="claude-2.1", prompt=...'),
        ("typescript", 'client.completions.create({ model: "claude-2.1", prompt,'),
        ("curl", '/v1/complete -d \'{"model": "claude-2.1", "prompt": ...'),
    ],
)
def test_the_old_call_is_in_the_language_of_the_new_one(language, said):
    assert said in words.old_call(caller(call=call(language=language)))


def test_an_old_call_of_nobody_knows_which_model_names_none():
    assert "model=...," in words.old_call(caller(call=call(asked=None)))


def test_models_are_named_once():
    twice = tuple(
        ModelUse(asked="claude-2.1", sent=sent, count=1, share=0.5) for sent in ("a", "b")
    )

    assert words.caller_description(caller(models=twice)).endswith("It asks for claude-2.1.")


def test_second_tries_are_said():
    assert words.caller_description(caller(rescued=1)).endswith("1 request needed a second try.")


@pytest.mark.parametrize(
    ("score", "is_enough", "is_ready", "said"),
    [
        (None, False, False, "not judged"),
        (1.0, True, True, "ready"),
        (1.0, False, False, "too few to tell"),
        (1.0, True, False, "too many errors"),
        (0.5, True, False, "50 % ready"),
    ],
)
def test_a_badge_says_how_a_caller_stands(score, is_enough, is_ready, said):
    stands = Readiness(score=score, judged=1, is_enough=is_enough, is_ready=is_ready, reasons=())

    assert words.badge(stands) == said


def test_a_call_says_how_much_it_stands_for():
    assert words.example_share(call(share=0.98)) == "98 % of its requests look like this"


def test_who_is_ready_is_named_a_few_at_a_time():
    given = report(caller("a"), caller("b"), caller("c", readiness=NOT_READY))
    many = report(*(caller(f"c{n}") for n in range(10_000)))

    assert words.ready_names(given) == "a, b"
    assert words.ready_names(many).endswith(", c18, c19 and 9,980 more")


def test_what_has_retired_is_not_announced():
    past = retirement(model="old", retires="2026-11-02", days_left=-21)

    assert words.retirement_day(past) == "retired on 2 Nov 2026"
    assert "old" not in words.summary(report(caller(), retirements=(past,)))
    assert "opus-4-8" in words.summary(report(caller(), retirements=(past, retirement())))


def test_a_caller_that_nobody_has_heard_of_is_named():
    assert words.headline(report(caller="typo")) == "No caller named typo used Text Completions."


def test_many_names_are_cut_short():
    assert (
        words.join_names([counted("a"), counted("b"), counted("c"), counted("d")]) == "a, b, 2 more"
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shadow": compared(None)}, "cheaper: nothing could be compared."),
        ({"control": None, "beyond_noise": None}, "cheaper: it is not known how much is noise;"),
        (
            {"beyond_noise": 0.004},
            "cheaper: the answers differ no more than answers to the very same request.",
        ),
        (
            {"beyond_noise": 0.2},
            "cheaper: the answers are 20 % less similar than answers to",
        ),
    ],
)
def test_a_shadow_is_judged_against_the_noise_floor(fields, said):
    assert words.verdict(shadows(**fields)).startswith(said)


def test_errors_of_all_callers_stand_together_the_most_frequent_first():
    rare, often = error(count=1), error(count=5, status=400)
    one, other = caller("one", errors=(rare,)), caller("other", errors=(often,))

    assert words.errors_by_count(report(one, other)) == [(other, often), (one, rare)]


def test_every_language_has_its_name():
    assert set(words.LANGUAGES) == set(LANGUAGES)


def test_every_outcome_has_its_words():
    assert set(words.OUTCOMES) == set(Outcomes.__struct_fields__)


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (None, "not known"),
        (0, "0 %"),
        (0.001, "< 1 %"),
        (0.126, "13 %"),
        (0.994, "99 %"),
        (0.999, "> 99 %"),
        (1, "100 %"),
    ],
)
def test_nothing_is_rounded_to_all_and_something_not_to_nothing(share, said):
    assert spelling.percent(share) == said


@pytest.mark.parametrize(
    ("spell", "value", "said"),
    [
        (spelling.duration, 0.4, "0 ms"),
        (spelling.duration, 999.4, "999 ms"),
        (spelling.duration, 1250, "1.2 s"),
        (spelling.money, None, "not known"),
        (spelling.money, 0, "$0.00"),
        (spelling.money, 0.0042, "$0.004"),
        (spelling.money, 1234.5, "$1,234.50"),
        (spelling.number, 1234567, "1,234,567"),
        (spelling.day, "2027-01-31", "31 Jan 2027"),
        (spelling.moment, "2026-11-23T09:05:00.000+00:00", "23 Nov 2026, 09:05"),
        (partial(spelling.step_label, step="day"), "2026-11-23T00:00:00.000+00:00", "23 Nov 2026"),
        (
            partial(spelling.step_label, step="hour"),
            "2026-11-23T09:00:00.000+00:00",
            "23 Nov 2026, 09:00",
        ),
        (spelling.moment_without_year, "2026-11-23T09:05:00.000+00:00", "23 Nov, 09:05"),
        (spelling.short, "x" * 120, "x" * 120),
        (spelling.short, "x" * 121, "x" * 120 + " … (121 characters)"),
    ],
)
def test_values_are_spelled_for_people(spell, value, said):
    assert spell(value) == said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "It is ready to cut over."),
        (
            {"readiness": readiness(1.0, reason("mechanical"), reason("mechanical"))},
            "It is ready to cut over after 2 edits.",
        ),
        ({"readiness": readiness(None)}, "None of its requests can be judged."),
        (
            {"readiness": readiness(0.6, reason(), reason("mechanical"))},
            "60 % of its requests are ready. What is left: 1 decision and 1 edit.",
        ),
        (
            {"readiness": readiness(0.995), "error_share": 0.4},
            "> 99 % of its requests are ready, but 40 % ended in an error.",
        ),
        (
            {"readiness": msgspec.structs.replace(readiness(0.5), is_enough=False, judged=2)},
            "There are too few requests to tell: 2 can be judged, and it takes 10.",
        ),
    ],
)
def test_what_is_left_for_a_caller_is_said_in_a_sentence_or_two(fields, said):
    assert words.what_is_left(caller(**fields)) == said


def test_a_summary_has_the_badge_of_the_caller():
    for score in (None, 0.4, 0.995, 1.0):
        one = caller(readiness=readiness(score))
        assert words.standing_badge(standing(one)) == words.badge(one.readiness)
