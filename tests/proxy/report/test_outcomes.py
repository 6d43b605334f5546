import pytest

from proxy.errors import Blame
from proxy.report.model import Outcomes
from proxy.report.outcomes import error_share, outcome_of, share


@pytest.mark.parametrize(
    ("blame", "gone", "has_error", "outcome"),
    [
        (Blame.NOBODY, False, False, "answered"),
        (Blame.NOBODY, False, True, "refused"),
        (Blame.CLIENT, False, True, "client_error"),
        (Blame.UPSTREAM, False, True, "upstream_error"),
        (Blame.HOLDOVER, False, True, "holdover_error"),
        (Blame.NOBODY, True, False, "client_gone"),
        (Blame.UPSTREAM, True, True, "client_gone"),
    ],
)
def test_every_exchange_ends_in_one_way(blame, gone, has_error, outcome):
    assert outcome_of(blame.value, client_gone=gone, has_error=has_error) == outcome


@pytest.mark.parametrize("blame", Blame)
def test_there_is_an_outcome_for_whoever_is_to_blame(blame):
    assert outcome_of(blame.value, client_gone=False, has_error=True) != "answered"


def test_refusals_and_clients_that_left_are_no_errors():
    outcomes = Outcomes(
        client_error=1, upstream_error=1, holdover_error=1, refused=4, client_gone=3
    )

    assert error_share(outcomes, 10) == 0.3


def test_a_share_of_nothing_is_nothing():
    assert share(0, 0) == 0.0
