"""The kinds of problems that notices are about, each with what to do and where to read more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

_LASTING_SECONDS: Final = 30


class Problem(msgspec.Struct, frozen=True):
    """Something that is wrong at present."""

    kind: str
    """Name of one of the `KINDS`."""
    text: str
    """A sentence that says what is wrong, and why; no key, prompt or answer is in it."""
    subject: str = ""
    """The rule, setting or model that it is about; empty if there is but one such problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemKind:
    """The advice, the runbook entry and the patience that all problems of one kind share."""

    advice: str
    """A sentence that says what to do; empty if the problem's own text does."""
    over: str
    """A sentence that says that it is over; `{subject}` is filled in."""
    runbook: str
    """Heading of the entry in deploy/RUNBOOK.md, as it stands in links."""
    lasting_seconds: float = 0
    """Seconds that it has to last before it is worth a notice."""


KINDS: Final[Mapping[str, ProblemKind]] = {
    "guard_tripped": ProblemKind(
        advice="Find the cause (`holdover log --status error`), then `holdover rollout rearm`.",
        over="The guard of {subject} is armed again, or the rule has none any more.",
        runbook="a-guard-has-tripped",
    ),
    "settings_bad": ProblemKind(
        advice="`holdover check FILE` says what to change; the repaired file is followed at once.",
        over="The settings file is valid again, and is followed.",
        runbook="the-settings-are-invalid",
    ),
    "key_refused": ProblemKind(
        advice="Put a valid key into that setting; `holdover doctor` tries it.",
        over="The upstream accepts the key in {subject}, or another one has taken its place.",
        runbook="our-key-is-refused",
    ),
    "journal_failed": ProblemKind(
        advice="Make room on its disk, or let the server write there.",
        over="The journal can be written again.",
        runbook="the-disk-is-full",
    ),
    "store_failed": ProblemKind(
        advice="Records wait in the journal, and are loaded once the store can be written.",
        over="The store can be written again.",
        runbook="the-store-is-down",
    ),
    "loader_behind": ProblemKind(
        advice="",
        over="What was recorded is in the store again.",
        runbook="the-loader-is-behind",
    ),
    "records_lost": ProblemKind(
        advice="Make room for the journal, or repair the store: more is lost as long as this goes"
        " on.",
        over="No record or body has been lost for five minutes.",
        runbook="the-disk-is-full",
    ),
    "state_directory_missing": ProblemKind(
        advice="",
        over="The state directory is there again.",
        runbook="the-state-directory-is-gone",
    ),
    "state_directory_replaced": ProblemKind(
        advice="",
        over="Holdover has started with this state directory.",
        runbook="the-state-directory-is-gone",
    ),
    "loop_late": ProblemKind(
        advice="",
        over="The event loops of all workers are on time again.",
        runbook="overload",
        lasting_seconds=_LASTING_SECONDS,
    ),
    "refusing_requests": ProblemKind(
        advice="",
        over="All requests are let in again.",
        runbook="overload",
        lasting_seconds=_LASTING_SECONDS,
    ),
    "model_retires": ProblemKind(
        advice="Try its successor in a shadow before that day.",
        over="{subject} is not asked any more, or has retired.",
        runbook="a-model-is-about-to-retire",
    ),
}
"""All kinds by name; the reasons of `/readyz` are among them by the names they have there."""
