"""Divide a request's stop sequences into those for upstream and those emulated here."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind, describe_blank
from translators.automaton import Automaton
from translators.errors import InvalidCompletionRequest
from translators.wire.completions import BUILTIN_STOP

MAX_EMULATED_CHARACTERS: Final = 20_000
"""Limit on the sequences watched for here: the automaton keeps a state per character."""

MAX_SEQUENCES: Final = 20_000
"""Limit on the sequences of a request; our choice, no source gives one."""

MAX_SCANNED_CHARACTERS: Final = 32 * 1024
"""Limit on the prefill that is searched, about 15 ms; a longer one may contain any sequence."""

_MAX_SHOWN: Final = 32
"""Limit on the blank sequences that are reported one by one; further ones are counted."""

_MAX_CACHED_LENGTH: Final = 200
"""
Limit on the texts of a cached plan: one each, and one per character.

Programs send the same few short sequences with every request.
"""


class StopPlan(msgspec.Struct, frozen=True):
    """The sequences that upstream watches for, and those that only Holdover can watch for."""

    native: tuple[str, ...]
    emulated: tuple[str, ...]
    adjustments: tuple[Adjustment, ...]

    @property
    def watched(self) -> tuple[str, ...]:
        """Sequences that Holdover watches for: all, or the emulated ones if all are too long."""
        both = tuple(dict.fromkeys((*self.native, *self.emulated)))
        return both if sum(map(len, both)) <= MAX_EMULATED_CHARACTERS else self.emulated


def plan_stops(
    asked: tuple[str, ...], *, gains_leading_space: bool = False, echo: str = ""
) -> StopPlan:
    """
    Decide for each stop sequence whether upstream or Holdover watches for it.

    Upstream refuses blank sequences (messages-wire 1.6), so they are emulated.
    A sequence that begins with a space is watched for on both sides, because
    upstream does not see the leading space that Holdover adds. A sequence that
    could match inside the echo of a prefill is emulated only, because upstream
    would end the message there.
    """
    if len(asked) > MAX_SEQUENCES:
        raise InvalidCompletionRequest(
            f"stop_sequences: more than {MAX_SEQUENCES} sequences; send fewer"
        )
    is_short = len(asked) + 1 + sum(map(len, asked)) + len(echo) <= _MAX_CACHED_LENGTH
    plan = _cached_plan if is_short else _plan
    return plan(asked, gains_leading_space, echo)


def _plan(asked: tuple[str, ...], gains_leading_space: bool, echo: str) -> StopPlan:
    stops = [stop for stop in dict.fromkeys((*asked, BUILTIN_STOP)) if stop]
    blank = {stop for stop in stops if stop.isspace()}
    spaced = {stop for stop in stops if gains_leading_space and stop.startswith(" ")}
    if sum(map(len, stops if echo else blank | spaced)) > MAX_EMULATED_CHARACTERS:
        raise InvalidCompletionRequest(
            f"stop_sequences: more than {MAX_EMULATED_CHARACTERS} characters that upstream"
            " cannot watch for; send fewer or shorter ones"
        )
    in_echo = _may_match_in_echo(echo, stops)
    hidden = blank | in_echo
    emulated_here = hidden | spaced
    listed = [stop for stop in stops if stop in blank]
    adjustments = [_emulated(describe_blank(stop)) for stop in listed[:_MAX_SHOWN]]
    if len(listed) > _MAX_SHOWN:
        adjustments.append(_emulated(f"{len(listed) - _MAX_SHOWN} more of white space"))
    if in_prefill := len(in_echo - blank):
        number = "one" if in_prefill == 1 else in_prefill
        adjustments.append(_emulated(f"{number} that may match inside the prefill"))
    if "" in asked:
        kind = AdjustmentKind.DROP_EMPTY_STOP_SEQUENCE
        adjustments.append(Adjustment(kind, "stop_sequences", '""', "nothing"))
    if repeated := len(asked) - len(set(asked)):
        kind = AdjustmentKind.DROP_REPEATED_STOP_SEQUENCE
        adjustments.append(Adjustment(kind, "stop_sequences", f"{repeated} repeated", "nothing"))
    native = tuple([stop for stop in stops if stop not in hidden])
    emulated = tuple([stop for stop in stops if stop in emulated_here])
    return StopPlan(native, emulated, tuple(adjustments))


def _may_match_in_echo(echo: str, stops: list[str]) -> set[str]:
    """
    Return the sequences that may match inside a repeated echo or across its end.

    One too many in the result is harmless: upstream then writes past the stop
    sequence, and the text is cut here.
    """
    if len(echo) > MAX_SCANNED_CHARACTERS:
        return set(stops)
    return Automaton(stops).possible_matches(echo) if echo else set()


_cached_plan = lru_cache(maxsize=256)(_plan)


def _emulated(asked: str) -> Adjustment:
    kind = AdjustmentKind.EMULATE_STOP_SEQUENCE
    return Adjustment(kind, "stop_sequences", asked, "emulated")
