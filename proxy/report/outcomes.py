"""Sort exchanges by outcome: each has exactly one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from proxy.errors import Blame
from proxy.report.model import Outcome, Outcomes

_BY_BLAME: Final[Mapping[Blame, Outcome]] = {
    # An error without blame was wanted: a rule refused the request, or, if a setting says so, the
    # model did.
    Blame.NOBODY: "refused",
    Blame.CLIENT: "client_error",
    Blame.UPSTREAM: "upstream_error",
    Blame.HOLDOVER: "holdover_error",
}


def outcome_of(blame: str, *, client_gone: bool, has_error: bool) -> Outcome:
    """Return the outcome; a client that left did not see what else happened."""
    if client_gone:
        return "client_gone"
    return _BY_BLAME[Blame(blame)] if has_error else "answered"


def outcomes_of(counted: Counter[Outcome]) -> Outcomes:
    """Return the counts as an `Outcomes` value."""
    return msgspec.convert(counted, Outcomes)


def error_share(outcomes: Outcomes, exchanges: int) -> float:
    """Return the share of exchanges that ended in an error, regardless of whose."""
    return share(error_count(outcomes), exchanges)


def error_count(outcomes: Outcomes) -> int:
    """Return the number of exchanges that ended in an error, regardless of whose."""
    return outcomes.client_error + outcomes.upstream_error + outcomes.holdover_error


def share(part: int, whole: int) -> float:
    """Return the share, from 0 to 1 with four digits; 0 if `whole` is 0."""
    return round(part / whole, 4) if whole else 0.0
