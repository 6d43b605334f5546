"""
Judge how much of a caller's traffic a current SDK could send without a change of meaning.

Readiness is a share, 0 to 1, of the exchanges that can be judged: those that
were translated and answered, those that a rule refused, and errors of the
client or of Holdover. Exchanges are left out if they say nothing about the
request: forwarded unchanged, client left, wrong or missing key (the operator's
included), rate limit, or an upstream error. An exchange counts as ready unless

* it was an error of the client's or of Holdover's, so that nothing shows that
  the request can be sent;
* a rule refused it;
* a second try was made, which an SDK would not make;
* an adjustment changed what the client asked for, or replaced it by something
  that its owner may not want: a `decision` in `WORK`.

Adjustments that need only a `mechanical` change of code do not lower it, nor
does a stream of the old dialect; both are listed as changes to make. Those
that need `nothing` disappear together with the legacy prompt.

A caller can be cut over if there is enough evidence and few errors of any
kind. Scores are rounded down, so that 1 means all exchanges.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from proxy.errors import KeyRefused
from proxy.outcome import Outcome
from proxy.report.model import Readiness, Reason, Work
from proxy.report.outcomes import share
from proxy.security.keyring import refuses_key
from proxy.traffic.store.aggregates import Ending
from translators import EXPLANATIONS, REMEDIES, AdjustmentKind

READY: Final = 0.99
"""Share from which on a caller can be cut over: the rest is less than what retries add."""
MIN_JUDGED: Final = 10
"""Number of exchanges below which there are too few to judge a caller."""
MAX_ERRORS: Final = 0.05
"""Largest share of errors, of any party, at which a caller can be cut over."""

_K: Final = AdjustmentKind

WORK: Final[Mapping[AdjustmentKind, Work]] = {
    _K.REPLACE_RETIRED_MODEL: "mechanical",
    _K.REPLACE_GONE_MODEL: "mechanical",
    _K.MAP_MODEL: "mechanical",
    _K.APPLY_LESSON: "nothing",  # the adjustment that was learned is listed under its own name
    _K.READ_CRLF_AS_LF: "nothing",
    _K.ADD_LEADING_NEWLINES: "nothing",
    _K.TRIM_TRAILING_SPACE: "nothing",
    _K.RESTORE_ASSISTANT_MARKER: "nothing",
    _K.ADD_ASSISTANT_TURN: "nothing",
    _K.TREAT_AS_HUMAN_TURN: "nothing",
    _K.ADD_OPENING_TURN: "decision",  # its owner has to say what the user says
    _K.FILL_EMPTY_TURN: "decision",
    _K.DROP_EMPTY_TURN: "mechanical",
    _K.MERGE_TURNS: "mechanical",
    _K.REPLACE_LONE_SURROGATE: "mechanical",
    _K.TRIM_PREFILL: "mechanical",
    _K.CONTINUE_PREFILL: "decision",
    _K.INSTRUCT_PREFILL: "decision",
    _K.REROUTE_PREFILL: "mechanical",  # ask for the model that it was sent to
    _K.EMULATE_STOP_SEQUENCE: "decision",
    _K.DROP_EMPTY_STOP_SEQUENCE: "mechanical",
    _K.DROP_REPEATED_STOP_SEQUENCE: "mechanical",
    _K.CAP_MAX_TOKENS: "decision",
    _K.DROP_NO_EFFECT_VALUE: "mechanical",
    _K.DROP_TEMPERATURE: "decision",
    _K.DROP_TOP_P: "decision",
    _K.DROP_TOP_K: "decision",
    _K.TURN_OFF_THINKING: "mechanical",
    _K.LOWER_EFFORT: "mechanical",
    _K.ADD_THINKING_HEADROOM: "decision",  # answers may be longer than the client allowed
    _K.READ_LAX_VALUE: "mechanical",
    _K.REPLACE_USER_ID: "mechanical",
    _K.DROP_BETA: "mechanical",
    _K.DROP_HEADER: "nothing",  # the API itself reads no such header
    _K.DROP_LEGACY_FIELD: "mechanical",
    _K.DROP_UNKNOWN_FIELD: "mechanical",
}
"""The work that each kind of adjustment means for the person who rewrites the caller."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that keeps an exchange from being ready, or has to change during the rewrite."""

    work: Work
    what: str
    what_to_do: str


# Remedies that differ because the code shown in the report has already decided.
_BY_THE_CODE: Final = {
    _K.CAP_MAX_TOKENS: "The code below asks for the model's limit; lower it if less is enough.",
}
_OBSTACLES: Final[Mapping[str, Obstacle]] = {
    "client_error": Obstacle(
        "decision",
        "It was answered with an error that the client caused.",
        "Look at the errors; a current SDK would get the same ones.",
    ),
    "holdover_error": Obstacle(
        "decision",
        "Holdover failed.",
        "Look for `exchange_crashed` in the log; these requests could not be judged further.",
    ),
    "refused": Obstacle(
        "decision",
        "A rule refused it.",
        "Do nothing if the rule is meant to end this caller; otherwise let it be translated.",
    ),
    "second_try": Obstacle(
        "decision",
        "The first try failed, and a rule's `on_failure` rescued it.",
        "Find out why the first try fails: a current SDK would not try elsewhere.",
    ),
    "old_dialect": Obstacle(
        "mechanical",
        "It uses the dialect of 2023-01-01, in which each event repeats the whole text so far.",
        "Append the text of each event, as events of the current SDK bring only what is new.",
    ),
} | {
    kind.value: Obstacle(WORK[kind], EXPLANATIONS[kind], _BY_THE_CODE.get(kind, REMEDIES[kind]))
    for kind in _K
}
_UNKNOWN: Final = Obstacle(
    "decision",
    "Another version of Holdover made an adjustment that this version does not know.",
    "Make the report with that version.",
)
_OLD_DIALECT: Final = "2023-01-01"

_OUR_KEY_REFUSED: Final = (KeyRefused.status, Outcome.HOLDOVER_ERROR)
_UNJUDGED: Final = (
    Outcome.CLIENT_GONE,
    Outcome.CUT_OFF,
    Outcome.NOT_ADMITTED,
    Outcome.OVERLOADED,
    Outcome.UPSTREAM_ERROR,
)


@dataclass(frozen=True, slots=True)
class ReadinessEvidence:
    """The properties of exchanges that readiness depends on."""

    dialect: str | None
    streamed: bool
    ending: Ending
    kinds: frozenset[str]
    is_planned: bool


def judge_readiness(evidence: Iterable[tuple[ReadinessEvidence, int]]) -> Readiness:
    """Judge one caller, or several merged, from groups of exchanges and their sizes."""
    by_names: Counter[frozenset[str]] = Counter()
    errors = whole = 0
    for each, exchanges in evidence:
        whole += exchanges
        errors += exchanges * each.ending.outcome.is_error
        if (names := _obstacle_names(each)) is not None:
            by_names[names] += exchanges
    judged = ready = 0
    found: Counter[str] = Counter()
    for names, exchanges in by_names.items():
        judged += exchanges
        if not any(obstacle_of(name).work == "decision" for name in names):
            ready += exchanges
        found.update(dict.fromkeys(names, exchanges))
    score = math.floor(ready / judged * 10_000) / 10_000 if judged else None
    return Readiness(
        score=score,
        judged=judged,
        is_enough=judged >= MIN_JUDGED,
        is_ready=judged >= MIN_JUDGED and ready / judged >= READY and errors / whole <= MAX_ERRORS,
        reasons=tuple(_reasons(found, judged)),
    )


def obstacle_of(name: str) -> Obstacle:
    """Return the obstacle behind the name of a `Reason`."""
    return _OBSTACLES.get(name, _UNKNOWN)


@lru_cache(10_000)
def _obstacle_names(evidence: ReadinessEvidence) -> frozenset[str] | None:
    """Return the names of all obstacles in these exchanges; None if they cannot be judged."""
    ending = evidence.ending
    status = ending.status
    if ending.outcome in _UNJUDGED or (status, ending.outcome) == _OUR_KEY_REFUSED:
        return None
    # An error that depends on the key or on the rate says nothing about the request itself.
    if status is not None and (refuses_key(status) or status == HTTPStatus.TOO_MANY_REQUESTS):
        return None
    names = set[str]()
    if ending.is_rescued:
        names.add("second_try")
    if ending.route == "refuse":
        names.add("refused")
    elif ending.outcome in {Outcome.CLIENT_ERROR, Outcome.HOLDOVER_ERROR}:
        names.add(ending.outcome.value)
    if not names and not evidence.is_planned:
        return None
    if evidence.dialect == _OLD_DIALECT and evidence.streamed:
        names.add("old_dialect")
    return evidence.kinds | names


def _reasons(found: Counter[str], judged: int) -> Iterator[Reason]:
    # `decision` sorts before `mechanical`.
    order = sorted((obstacle_of(name).work, -count, name) for name, count in found.items())
    for work, count, name in order:
        if work != "nothing":
            obstacle = obstacle_of(name)
            yield Reason(
                name=name,
                work=work,
                count=-count,
                share=share(-count, judged),
                what=obstacle.what,
                what_to_do=obstacle.what_to_do,
            )
