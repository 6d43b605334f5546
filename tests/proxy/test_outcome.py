"""How exchanges end: each in one way, which follows from what ended it."""

import pytest

from proxy import errors
from proxy.errors import Blame, Failure
from proxy.outcome import Outcome, outcome_of_failure, outcome_of_old_record, outcome_of_status

PLAIN = {
    "route": "translate",
    "status": 200,
    "error_type": None,
    "blame": Blame.NOBODY,
    "client_gone": False,
}
FAILURES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, Failure) and kind is not Failure
]


@pytest.mark.parametrize("kind", FAILURES)
def test_every_failure_ends_an_exchange_in_a_way_that_has_its_blame(kind):
    outcome = outcome_of_failure(kind.__new__(kind))

    assert outcome not in {Outcome.ANSWERED, Outcome.CLIENT_GONE}
    assert outcome.blame is kind.blame


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (errors.MissingKey, Outcome.NOT_ADMITTED),
        (errors.UnknownKey, Outcome.NOT_ADMITTED),
        (errors.Gone, Outcome.REFUSED),
        (errors.ShuttingDown, Outcome.CUT_OFF),
        (errors.BodyTooLong, Outcome.CLIENT_ERROR),
        (errors.UpstreamTooSlow, Outcome.UPSTREAM_ERROR),
        (errors.KeyRefused, Outcome.HOLDOVER_ERROR),
    ],
)
def test_failures_end_exchanges(kind, outcome):
    assert outcome_of_failure(kind.__new__(kind)) is outcome


def test_an_upstreams_4xx_is_the_requests_fault_and_a_5xx_its_own():
    assert outcome_of_status(429) is Outcome.CLIENT_ERROR
    assert outcome_of_status(529) is Outcome.UPSTREAM_ERROR


def test_only_what_is_somebodys_fault_is_an_error():
    assert all(outcome.is_error == (outcome.blame is not Blame.NOBODY) for outcome in Outcome)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, Outcome.ANSWERED),
        ({"client_gone": True, "blame": Blame.UPSTREAM}, Outcome.CLIENT_GONE),
        ({"error_type": "not_found_error", "route": "refuse"}, Outcome.REFUSED),
        ({"error_type": "invalid_request_error"}, Outcome.MODEL_REFUSED),
        ({"blame": Blame.CLIENT, "route": None, "status": 401}, Outcome.NOT_ADMITTED),
        ({"blame": Blame.CLIENT, "status": 401}, Outcome.CLIENT_ERROR),
        ({"blame": Blame.CLIENT, "route": None, "status": 400}, Outcome.CLIENT_ERROR),
        ({"blame": Blame.UPSTREAM}, Outcome.UPSTREAM_ERROR),
        ({"blame": Blame.HOLDOVER, "status": 503}, Outcome.CUT_OFF),
        ({"blame": Blame.HOLDOVER, "status": 500}, Outcome.HOLDOVER_ERROR),
    ],
)
def test_records_of_before_there_were_outcomes_get_the_one_that_they_had(fields, outcome):
    given = {"error_type": "api_error"} if "blame" in fields else {}

    assert outcome_of_old_record(**(PLAIN | given | fields)) is outcome
