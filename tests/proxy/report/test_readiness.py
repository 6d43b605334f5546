import re
from pathlib import Path
from typing import Any

import pytest

from proxy.outcome import Outcome
from proxy.report.readiness import (
    MIN_JUDGED,
    READY,
    WORK,
    ReadinessEvidence,
    judge_readiness,
    obstacle_of,
)
from proxy.traffic.store.aggregates import Ending
from translators import EXPLANATIONS, REMEDIES, AdjustmentKind


def ending(**fields: Any) -> Ending:
    plain: dict[str, Any] = {
        "route": "translate",
        "status": 200,
        "error_type": None,
        "outcome": Outcome.ANSWERED,
    }
    return Ending(**(plain | fields))


def exchanges(
    count: int = 1, *kinds: str, is_planned: bool = True, **fields: Any
) -> tuple[ReadinessEvidence, int]:
    said = fields.pop("dialect", "2023-06-01"), fields.pop("streamed", False)
    return ReadinessEvidence(*said, ending(**fields), frozenset(kinds), is_planned), count


def bad_request(count: int = 1, **fields: Any) -> tuple[ReadinessEvidence, int]:
    fields = {
        "status": 400,
        "error_type": "invalid_request_error",
        "outcome": Outcome.CLIENT_ERROR,
    } | fields
    return exchanges(count, is_planned=False, **fields)


def names(*alike: tuple[ReadinessEvidence, int]) -> list[tuple[str, str, int]]:
    return [(each.name, each.work, each.count) for each in judge_readiness(alike).reasons]


def test_every_kind_of_adjustment_is_classified():
    assert set(WORK) == set(AdjustmentKind)


def test_the_page_on_traffic_names_the_kinds_that_need_a_decision_and_no_others():
    page = (Path(__file__).parents[3] / "deploy/TRAFFIC.md").read_text()
    sentence = page.partition("if an adjustment needs a decision:")[2].partition(". ")[0]

    assert {*re.findall("`(.*?)`", sentence)} == {
        kind.value for kind, work in WORK.items() if work == "decision"
    }


@pytest.mark.parametrize("kind", AdjustmentKind)
def test_only_what_needs_a_decision_lowers_the_readiness(kind):
    score = judge_readiness([exchanges(1, kind.value)]).score

    assert score == (0.0 if WORK[kind] == "decision" else 1.0)


@pytest.mark.parametrize("kind", AdjustmentKind)
def test_a_kind_is_explained_in_its_own_words_unless_there_is_nothing_to_do(kind):
    reasons = judge_readiness([exchanges(2, kind.value)]).reasons

    found = [(each.name, each.work, each.what, each.what_to_do) for each in reasons]
    remedy = obstacle_of(kind.value).what_to_do
    expected = (kind.value, WORK[kind], EXPLANATIONS[kind], remedy)
    assert found == ([] if WORK[kind] == "nothing" else [expected])
    assert (remedy == REMEDIES[kind]) is (kind != AdjustmentKind.CAP_MAX_TOKENS)


def test_a_cap_says_what_the_code_has_decided():
    [reason] = judge_readiness([exchanges(2, "cap_max_tokens")]).reasons

    assert reason.what_to_do.startswith("The code below asks for the model's limit;")


def test_readiness_is_the_share_of_exchanges_without_an_obstacle():
    judged = judge_readiness(
        [exchanges(3), exchanges(1, "drop_top_k", "cap_max_tokens", "merge_turns")]
    )

    assert (judged.score, judged.judged, judged.is_ready) == (0.75, 4, False)
    assert [(each.name, each.count, each.share) for each in judged.reasons] == [
        ("cap_max_tokens", 1, 0.25),
        ("drop_top_k", 1, 0.25),
        ("merge_turns", 1, 0.25),
    ]


def test_reasons_that_need_a_decision_come_first_then_the_most_frequent():
    assert names(exchanges(9, "merge_turns"), exchanges(1, "drop_top_k"), bad_request(2)) == [
        ("client_error", "decision", 2),
        ("drop_top_k", "decision", 1),
        ("merge_turns", "mechanical", 9),
    ]


def test_errors_of_the_clients_and_of_ours_lower_it_even_where_nothing_was_planned():
    ours = exchanges(
        1, is_planned=False, status=500, error_type="api_error", outcome=Outcome.HOLDOVER_ERROR
    )

    judged = judge_readiness([exchanges(2), bad_request(), ours])

    assert judged.score == 0.5
    assert [each.name for each in judged.reasons] == ["client_error", "holdover_error"]


@pytest.mark.parametrize("status", [529, 502, 200])
def test_what_upstream_failed_at_says_nothing(status):
    failed: Any = {"status": status, "error_type": "api_error", "outcome": Outcome.UPSTREAM_ERROR}

    judged = judge_readiness([exchanges(50, "drop_top_p", **failed)])
    assert (judged.score, judged.judged, judged.is_ready) == (None, 0, False)
    assert judged.reasons == ()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Outcome.CLIENT_ERROR) for status in (401, 402, 403, 429)),
        (502, Outcome.HOLDOVER_ERROR),
    ],
)
def test_wrong_keys_and_rate_limits_say_nothing(status, outcome):
    limited = {"status": status, "error_type": "some_error", "outcome": outcome}

    for is_planned in (True, False):
        judged = judge_readiness([exchanges(50, is_planned=is_planned, **limited)])
        assert (judged.score, judged.judged, judged.is_ready) == (None, 0, False)


def test_what_a_rule_refused_lowers_it():
    refused = {"route": "refuse", "status": 410, "error_type": "not_found_error"} | {
        "outcome": Outcome.REFUSED
    }

    assert names(exchanges(1, is_planned=False, **refused)) == [("refused", "decision", 1)]


@pytest.mark.parametrize("is_planned", [True, False])
def test_forwarded_exchanges_and_clients_that_left_are_not_judged(*, is_planned):
    forwarded = exchanges(5, is_planned=False, route="forward")
    gone = exchanges(
        5, "drop_top_k", is_planned=is_planned, status=None, outcome=Outcome.CLIENT_GONE
    )

    assert judge_readiness([forwarded, gone, exchanges(1)]).judged == 1
    assert judge_readiness([forwarded, gone]).score is None
    assert not judge_readiness([forwarded]).is_ready


@pytest.mark.parametrize("is_planned", [True, False])
def test_what_a_second_try_rescued_is_not_ready(*, is_planned):
    rescued = exchanges(20, is_planned=is_planned, route="forward", is_rescued=True)

    assert names(rescued) == [("second_try", "decision", 20)]
    assert judge_readiness([rescued, exchanges(20)]).score == 0.5


def test_fewer_than_ten_are_too_few_to_tell():
    few, enough = (
        judge_readiness([exchanges(MIN_JUDGED - 1)]),
        judge_readiness([exchanges(MIN_JUDGED)]),
    )

    assert (few.score, few.is_enough, few.is_ready) == (1.0, False, False)
    assert (enough.is_enough, enough.is_ready) == (True, True)
    assert MIN_JUDGED == 10


@pytest.mark.parametrize(
    "error",
    [
        {"status": 529, "error_type": "overloaded_error", "outcome": Outcome.UPSTREAM_ERROR},
        {"status": 429, "error_type": "rate_limit_error", "outcome": Outcome.CLIENT_ERROR},
    ],
)
def test_with_too_many_errors_nobody_is_ready_whoevers_they_are(error):
    good = exchanges(95)

    assert judge_readiness([good, exchanges(5, **error)]).is_ready
    assert not judge_readiness([good, exchanges(6, **error)]).is_ready
    assert judge_readiness([good, exchanges(6, **error)]).score == 1.0
    gone = error | {"outcome": Outcome.CLIENT_GONE}
    assert judge_readiness([good, exchanges(6, **gone)]).is_ready


def test_a_stream_of_the_old_dialect_is_something_to_change_and_costs_nothing():
    judged = judge_readiness(
        [exchanges(3, dialect="2023-01-01", streamed=True), exchanges(1, dialect="2023-01-01")]
    )

    assert judged.score == 1.0
    [reason] = judged.reasons
    assert (reason.name, reason.work, reason.share) == ("old_dialect", "mechanical", 0.75)


def test_a_kind_that_only_another_version_knows_needs_a_decision():
    judged = judge_readiness([exchanges(1, "turn_the_tables")])

    assert judged.score == 0.0
    assert [each.what for each in judged.reasons] == [obstacle_of("turn_the_tables").what]


def test_only_all_of_it_is_one_and_almost_all_of_it_is_ready():
    judged = judge_readiness([exchanges(99_999), bad_request()])

    assert judged.score == 0.9999
    assert judged.is_ready
    assert not judge_readiness([exchanges(98), bad_request(2)]).is_ready
    assert judge_readiness([exchanges(99), bad_request()]).score == READY
