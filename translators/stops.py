"""
Stop sequences: which upstream can watch for, and the scanner for the others.

The law of the scanner: where the text is cut never depends on how upstream
chunked it. So it cuts at the sequence that is *completed* first, as a sampler
would, and holds back any tail that might still become one. It is the automaton
of Aho and Corasick: linear in the text, however many sequences there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind, shown_blank
from translators.automaton import START, Automaton
from translators.errors import InvalidCompletionRequest
from translators.wire.completions import BUILTIN_STOP

MAX_EMULATED_CHARACTERS: Final = 20_000
"""All sequences to emulate together: the automaton keeps a state per character."""

MAX_SEQUENCES: Final = 20_000
"""A bound of our own, no source gives one: each costs a look before upstream is asked."""

MAX_SCANNED_CHARACTERS: Final = 32 * 1024
"""Characters of a prefill: some 15 ms. In a longer one, every sequence may match."""

_MAX_SHOWN: Final = 32
"""Adjustments for single sequences; what comes on top is only counted."""

_MAX_REMEMBERED: Final = 200
"""Characters, and texts: a program asks for the same few short sequences all the time."""


class StopPlan(msgspec.Struct, frozen=True):
    """Sequences for upstream to watch for, and those to watch for here."""

    native: tuple[str, ...]
    emulated: tuple[str, ...]
    adjustments: tuple[Adjustment, ...]


def plan_stops(
    asked: tuple[str, ...], *, gains_leading_space: bool = False, echo: str = ""
) -> StopPlan:
    """
    Divide stop sequences by who watches for them.

    Upstream refuses blank ones (messages-wire 1.6). It sees neither the
    leading space that Holdover adds, so a sequence beginning with one is
    watched for here too; nor where the echo of a prefill ends, so what could
    match inside of it is watched for here instead.
    """
    if len(asked) > MAX_SEQUENCES:
        raise InvalidCompletionRequest(f"stop_sequences: more than {MAX_SEQUENCES} sequences")
    plan = _plan_remembered if _are_short((*asked, echo)) else _plan
    return plan(asked, gains_leading_space, echo)


def _are_short(texts: tuple[str, ...]) -> bool:
    return len(texts) + sum(map(len, texts)) <= _MAX_REMEMBERED


def _plan(asked: tuple[str, ...], gains_leading_space: bool, echo: str) -> StopPlan:
    told = [stop for stop in dict.fromkeys((*asked, BUILTIN_STOP)) if stop]
    blank = {stop for stop in told if stop.isspace()}
    spaced = {stop for stop in told if gains_leading_space and stop.startswith(" ")}
    _refuse_too_much(told if echo else blank | spaced)
    echoed = _those_in(echo, told)
    hidden = blank | echoed
    ours = hidden | spaced
    adjustments = [*_of_blank_ones([stop for stop in told if stop in blank])]
    if in_prefill := len(echoed - blank):
        number = "one" if in_prefill == 1 else in_prefill
        adjustments.append(_emulated(f"{number} that may match inside the prefill"))
    if "" in asked:
        kind = AdjustmentKind.DROP_EMPTY_STOP_SEQUENCE
        adjustments.append(Adjustment(kind, "stop_sequences", '""', "nothing"))
    native = tuple([stop for stop in told if stop not in hidden])
    emulated = tuple([stop for stop in told if stop in ours])
    return StopPlan(native, emulated, tuple(adjustments))


def _those_in(echo: str, stops: list[str]) -> set[str]:
    """
    The sequences that may match where an echo is said: inside of it, or across its end.

    To take one for such that is none costs an early end upstream, and no client a character.
    """
    if len(echo) > MAX_SCANNED_CHARACTERS:
        return set(stops)
    return Automaton(stops).touched_by(echo) if echo else set()


_plan_remembered = lru_cache(maxsize=256)(_plan)


def _refuse_too_much(stops: Iterable[str]) -> None:
    if sum(map(len, stops)) > MAX_EMULATED_CHARACTERS:
        raise InvalidCompletionRequest(
            f"stop_sequences: more than {MAX_EMULATED_CHARACTERS} characters that upstream"
            " cannot watch for"
        )


def _of_blank_ones(stops: list[str]) -> Iterator[Adjustment]:
    for stop in stops[:_MAX_SHOWN]:
        yield _emulated(shown_blank(stop))
    if len(stops) > _MAX_SHOWN:
        yield _emulated(f"{len(stops) - _MAX_SHOWN} more of white space")


def _emulated(asked: str) -> Adjustment:
    kind = AdjustmentKind.EMULATE_STOP_SEQUENCE
    return Adjustment(kind, "stop_sequences", asked, "emulated")


class StopScanner:
    """Release text as it becomes safe to; stop for good at the first match."""

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self.matched: str | None = None
        self._automaton = _automaton(sequences)
        self._state = START  # which knows what is held, so that nobody has to keep it

    def feed(self, text: str) -> str:
        """Take more text; return what can no longer be part of a match."""
        if self._automaton is _OF_NOTHING:
            return text
        if self.matched is not None:
            return ""
        before = self._state
        if before == START and self._automaton.beginning.search(text) is None:
            return text  # nothing is held, and nothing begins
        end, state = next(self._automaton.follow(text, before))
        self.matched = matched = self._automaton.match[state]
        end -= self._automaton.depth[state] if matched is None else len(matched)
        self._state = state if matched is None else START
        released = text[:end] if end > 0 else ""
        if before == START:
            return released
        return self._automaton.spelled(before, self._automaton.depth[before] + end) + released

    def flush(self) -> str:
        """Release the held-back tail; no more text is coming."""
        held, self._state = self._state, START
        return self._automaton.spelled(held, self._automaton.depth[held])


_OF_NOTHING: Final = Automaton(())
_remembered = lru_cache(maxsize=64)(Automaton)


def _automaton(sequences: tuple[str, ...]) -> Automaton:
    if not any(sequences):
        return _OF_NOTHING
    return (_remembered if _are_short(sequences) else Automaton)(sequences)
