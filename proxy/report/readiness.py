"""
How much of a caller's traffic a current SDK could have sent without a change of meaning.

Readiness is a share, 0 to 1, of the exchanges that can be judged: those that
were translated and answered, those that a rule refused, and those that were
errors of the client's or of ours. What was forwarded as it is, clients that
left, wrong or missing keys (the operator's too), rate limits and errors of
upstream say nothing about what is asked, and are left out. An exchange counts
as ready unless

* it was an error of the client's, or ours: nothing shows that it can be sent;
* a rule refused it;
* a second try was made, which an SDK would not make;
* an adjustment changed what the client asked for, or put in place of it what
  its owner may not want: a `decision` in `WORK`.

Adjustments that are a `mechanical` change of code do not lower it, nor does a
stream of the old dialect; they are listed as what to change. Those that are
`nothing` go away together with the legacy prompt.

Who can be cut over has shown it often enough, and without too many errors,
whoever's. What is rounded is rounded down, so that only all of it is 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple

from proxy.errors import Blame, KeyRefused
from proxy.report.model import Readiness, Reason, Work
from proxy.report.outcomes import share
from proxy.security.keyring import refuses_key
from proxy.traffic.store.aggregates import Ending
from translators import EXPLANATIONS, REMEDIES, AdjustmentKind

READY: Final = 0.99
"""From here on a caller can be cut over: what is left is less than what retries make of it."""
MIN_JUDGED: Final = 10
"""Exchanges; fewer are too few to tell."""
MAX_ERRORS: Final = 0.05
"""Of all exchanges, whoever's: with more, something has to be found out first."""

_K: Final = AdjustmentKind

WORK: Final[Mapping[AdjustmentKind, Work]] = {
    _K.REPLACE_RETIRED_MODEL: "mechanical",
    _K.MAP_MODEL: "mechanical",
    _K.APPLY_LESSON: "nothing",  # what it led to has a name of its own
    _K.ADD_LEADING_NEWLINES: "nothing",
    _K.TRIM_TRAILING_SPACE: "nothing",
    _K.RESTORE_ASSISTANT_MARKER: "nothing",
    _K.ADD_ASSISTANT_TURN: "nothing",
    _K.TREAT_AS_HUMAN_TURN: "nothing",
    _K.ADD_OPENING_TURN: "decision",  # somebody has to say what the user says
    _K.DROP_EMPTY_TURN: "mechanical",
    _K.MERGE_TURNS: "mechanical",
    _K.REPLACE_LONE_SURROGATE: "mechanical",
    _K.TRIM_PREFILL: "mechanical",
    _K.CONTINUE_PREFILL: "decision",
    _K.INSTRUCT_PREFILL: "decision",
    _K.REROUTE_PREFILL: "mechanical",  # the model it was sent to is the model to ask
    _K.EMULATE_STOP_SEQUENCE: "decision",
    _K.DROP_EMPTY_STOP_SEQUENCE: "mechanical",
    _K.CAP_MAX_TOKENS: "decision",
    _K.DROP_NO_EFFECT_VALUE: "mechanical",
    _K.DROP_TEMPERATURE: "decision",
    _K.DROP_TOP_P: "decision",
    _K.DROP_TOP_K: "decision",
    _K.TURN_OFF_THINKING: "mechanical",
    _K.LOWER_EFFORT: "mechanical",
    _K.ADD_THINKING_HEADROOM: "decision",  # answers may be longer than was allowed
    _K.DROP_BETA: "mechanical",
    _K.DROP_LEGACY_FIELD: "mechanical",
    _K.DROP_UNKNOWN_FIELD: "mechanical",
}
"""What each kind asks of who rewrites the caller."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps an exchange from being ready, or has to be changed on the way."""

    work: Work
    what: str
    what_to_do: str


# Where the code that a report shows has decided already.
_BY_THE_CODE: Final = {
    _K.CAP_MAX_TOKENS: "The code below asks for the model's limit; say if less will do.",
}
_OBSTACLES: Final[Mapping[str, Obstacle]] = {
    "client_error": Obstacle(
        "decision",
        "It was answered with an error of the client's own.",
        "Look at the errors; a current SDK would be told the same.",
    ),
    "holdover_error": Obstacle(
        "decision",
        "Holdover failed, or was shutting down.",
        "Look for `exchange_crashed` in the log; nothing is known of these requests.",
    ),
    "refused": Obstacle(
        "decision",
        "A rule refused it.",
        "Nothing, if the campaign is meant to end it; else let it be translated.",
    ),
    "second_try": Obstacle(
        "decision",
        "The first try failed, and a rule's `on_failure` rescued it.",
        "Find out why the first one fails: a current SDK would make no second one elsewhere.",
    ),
    "old_dialect": Obstacle(
        "mechanical",
        "It speaks the dialect of 2023-01-01, where each event repeats the whole text so far.",
        "Append what each event of the current SDK brings.",
    ),
} | {
    kind.value: Obstacle(WORK[kind], EXPLANATIONS[kind], _BY_THE_CODE.get(kind, REMEDIES[kind]))
    for kind in _K
}
_UNKNOWN: Final = Obstacle(
    "decision",
    "Another version of Holdover adjusted it, in a way that this one does not know.",
    "Ask that version for a report.",
)
_OLD_DIALECT: Final = "2023-01-01"

_OUR_KEY_REFUSED: Final = (KeyRefused.status, KeyRefused.blame.value)


class SimilarityEvidence(NamedTuple):
    """What exchanges have in common that counts here."""

    dialect: str | None
    streamed: bool
    ending: Ending
    kinds: frozenset[str]
    is_planned: bool


def judge(alike: Iterable[tuple[SimilarityEvidence, int]]) -> Readiness:
    """The readiness of one caller, or of several together."""
    by_names: Counter[frozenset[str]] = Counter()
    errors = whole = 0
    for each, exchanges in alike:
        whole += exchanges
        errors += exchanges * each.ending.is_error
        if (names := _names(each)) is not None:
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
    """What stands behind a kind of adjustment, or another reason's name."""
    return _OBSTACLES.get(name, _UNKNOWN)


@lru_cache(10_000)
def _names(each: SimilarityEvidence) -> frozenset[str] | None:
    """Of all that is to be said of them; None: they cannot be judged."""
    ending = each.ending
    if ending.client_gone or ending.blame == Blame.UPSTREAM.value or _depends_on_who_asks(ending):
        return None
    failing = list(_failing(ending))
    if not failing and not each.is_planned:
        return None
    besides = ["old_dialect"] if each.dialect == _OLD_DIALECT and each.streamed else []
    return each.kinds.union(failing, besides)


def _depends_on_who_asks(ending: Ending) -> bool:
    """And on how often, not on what is asked."""
    if (ending.status, ending.blame) == _OUR_KEY_REFUSED:
        return True
    status = ending.status
    return status is not None and (refuses_key(status) or status == HTTPStatus.TOO_MANY_REQUESTS)


def _failing(ending: Ending) -> Iterator[str]:
    if ending.is_rescued:
        yield "second_try"
    if ending.route == "refuse":
        yield "refused"
    elif ending.blame != Blame.NOBODY.value:
        yield "client_error" if ending.blame == Blame.CLIENT.value else "holdover_error"


def _reasons(found: Counter[str], judged: int) -> Iterator[Reason]:
    # `decision` comes before `mechanical`.
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
