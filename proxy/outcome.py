"""
How an exchange ended: one outcome for each, and the only definition of success and failure.

The outcome is decided once, where an exchange ends, and kept in its record.
Guards, log filters, sums, report, replay and metrics look at nothing else.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from proxy.errors import Blame, Failure, Gone, MissingKey, ShuttingDown, TooBusy


class Outcome(enum.Enum):
    """How one exchange ended; each exchange ends in exactly one of these ways."""

    ANSWERED = "answered"
    """The client got a whole answer, including an answer that says the model declined."""
    MODEL_REFUSED = "model_refused"
    """The model declined, and the settings ask for an error in place of such an answer."""
    REFUSED = "refused"
    """A rollout rule refused the request: a `refuse` rule, a brown-out or a sunset."""
    NOT_ADMITTED = "not_admitted"
    """The request had no key, or one that opens nothing here."""
    CLIENT_ERROR = "client_error"
    """The request was at fault; Holdover or the upstream said so with a 4xx."""
    UPSTREAM_ERROR = "upstream_error"
    """The upstream failed: unreachable, too slow, a 5xx, or an answer that broke off."""
    HOLDOVER_ERROR = "holdover_error"
    """Holdover failed: a bug, or a key of its own that the upstream refused."""
    OVERLOADED = "overloaded"
    """Holdover had too many requests to serve, so that this one was not begun."""
    CUT_OFF = "cut_off"
    """Holdover shut down before the answer was whole."""
    CLIENT_GONE = "client_gone"
    """The client left before the answer was whole."""

    @property
    def is_error(self) -> bool:
        """True if something failed; refusals that were asked for and clients that left did not."""
        return self in _ERRORS

    @property
    def blame(self) -> Blame:
        """The party at fault; NOBODY for outcomes that are not errors."""
        return _BLAME.get(self, Blame.NOBODY)


_BLAME: Final[Mapping[Outcome, Blame]] = {
    Outcome.NOT_ADMITTED: Blame.CLIENT,
    Outcome.CLIENT_ERROR: Blame.CLIENT,
    Outcome.UPSTREAM_ERROR: Blame.UPSTREAM,
    Outcome.HOLDOVER_ERROR: Blame.HOLDOVER,
    Outcome.OVERLOADED: Blame.HOLDOVER,
    Outcome.CUT_OFF: Blame.HOLDOVER,
}
_ERRORS: Final = frozenset(_BLAME)
_BY_BLAME: Final[Mapping[Blame, Outcome]] = {
    Blame.NOBODY: Outcome.MODEL_REFUSED,  # the one error that is nobody's and no rule's
    Blame.CLIENT: Outcome.CLIENT_ERROR,
    Blame.UPSTREAM: Outcome.UPSTREAM_ERROR,
    Blame.HOLDOVER: Outcome.HOLDOVER_ERROR,
}


def outcome_of_failure(failure: Failure) -> Outcome:
    """Return how an exchange ends that this failure ends."""
    match failure:
        case MissingKey():
            return Outcome.NOT_ADMITTED
        case Gone():
            return Outcome.REFUSED
        case TooBusy():
            return Outcome.OVERLOADED
        case ShuttingDown():
            return Outcome.CUT_OFF
        case _:
            return _BY_BLAME[failure.blame]


def outcome_of_status(status: int) -> Outcome:
    """Return how an exchange ends that an upstream answered with this error status."""
    is_client = status < HTTPStatus.INTERNAL_SERVER_ERROR
    return Outcome.CLIENT_ERROR if is_client else Outcome.UPSTREAM_ERROR


def outcome_of_old_record(
    *,
    route: str | None,
    status: int | None,
    error_type: str | None,
    blame: Blame,
    client_gone: bool,
) -> Outcome:
    """
    Return the outcome of a record that was written before records had one.

    Migration 0006 says the same in SQL, for the rows of a store; a test
    compares them.
    """
    if client_gone:
        return Outcome.CLIENT_GONE
    if error_type is None and blame is Blame.NOBODY:
        return Outcome.ANSWERED
    if blame is Blame.NOBODY and route == "refuse":
        return Outcome.REFUSED
    if blame is Blame.CLIENT and route is None and status == HTTPStatus.UNAUTHORIZED:
        return Outcome.NOT_ADMITTED
    if blame is Blame.HOLDOVER and status == ShuttingDown.status:
        return Outcome.CUT_OFF
    return _BY_BLAME[blame]
