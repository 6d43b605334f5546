"""Counts of how exchanges ended, and shares of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.outcome import Outcome
from proxy.report.model import Outcomes

_ERRORS: Final = tuple(outcome.value for outcome in Outcome if outcome.is_error)


def outcomes_of(counted: Mapping[Outcome, int]) -> Outcomes:
    """Return the counts as an `Outcomes` value."""
    return Outcomes(**{outcome.value: count for outcome, count in counted.items()})


def error_share(outcomes: Outcomes, exchanges: int) -> float:
    """Return the share of exchanges that ended in an error, regardless of whose."""
    return share(error_count(outcomes), exchanges)


def error_count(outcomes: Outcomes) -> int:
    """Return the number of exchanges that ended in an error, regardless of whose."""
    return sum(getattr(outcomes, name) for name in _ERRORS)


def share(part: int, whole: int) -> float:
    """Return the share, from 0 to 1 with four digits; 0 if `whole` is 0."""
    return round(part / whole, 4) if whole else 0.0
