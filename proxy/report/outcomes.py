"""How exchanges ended: each in exactly one way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from proxy.errors import Blame
from proxy.report.model import Outcome, Outcomes

_BY_BLAME: Final[Mapping[Blame, Outcome]] = {
    # An error that is nobody's fault is one that was wanted: a rule's, or, where a setting says
    # so, a model's refusal.
    Blame.NOBODY: "refused",
    Blame.CLIENT: "client_error",
    Blame.UPSTREAM: "upstream_error",
    Blame.HOLDOVER: "holdover_error",
}


def outcome_of(blame: str, *, client_gone: bool, has_error: bool) -> Outcome:
    """The one way; who left did not see what else there was."""
    if client_gone:
        return "client_gone"
    return _BY_BLAME[Blame(blame)] if has_error else "answered"


def outcomes_of(counted: Counter[Outcome]) -> Outcomes:
    """As a value."""
    return msgspec.convert(counted, Outcomes)


def error_share(outcomes: Outcomes, exchanges: int) -> float:
    """Errors, whoever's, among the exchanges."""
    errors = outcomes.client_error + outcomes.upstream_error + outcomes.holdover_error
    return share(errors, exchanges)


def share(part: int, whole: int) -> float:
    """0 to 1, to four digits; 0 of nothing."""
    return round(part / whole, 4) if whole else 0.0
