"""Shares of how exchanges ended."""

import msgspec

from proxy.outcome import Outcome
from proxy.report.model import Outcomes
from proxy.report.outcomes import error_share, outcomes_of, share
from proxy.report.phrases import OUTCOMES


def test_a_report_counts_every_outcome_and_has_words_for_it():
    names = {outcome.value for outcome in Outcome}

    assert {field.name for field in msgspec.structs.fields(Outcomes)} == names
    assert OUTCOMES.keys() == names


def test_every_error_counts_and_refusals_and_clients_that_left_do_not():
    outcomes = outcomes_of(dict.fromkeys(Outcome, 1))

    assert error_share(outcomes, 10) == 0.6


def test_a_share_of_nothing_is_nothing():
    assert share(0, 0) == 0.0
