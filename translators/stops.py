"""
Stop sequences: which upstream can watch for, and the scanner for the others.

The law of the scanner: where the text is cut never depends on how upstream
chunked it. So it cuts at the sequence that is *completed* first, as a sampler
would, and holds back any tail that might still become one. It is the automaton
of Aho and Corasick: linear in the text, however many sequences there are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import msgspec

from translators.adjustments import Adjustment, AdjustmentKind
from translators.exceptions import InvalidCompletionRequest
from translators.wire.completions import BUILTIN_STOP

MAX_EMULATED_CHARACTERS: Final = 20_000
"""All sequences to emulate together: the automaton keeps a state per character."""

_MOST_REMEMBERED: Final = 200
"""Characters, and texts: a program asks for the same few short sequences all the time."""

_NEVER: Final = r"(?!)"


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
    plan = _plan_remembered if _are_short((*asked, echo)) else _plan
    return plan(asked, gains_leading_space, echo)


def _are_short(texts: tuple[str, ...]) -> bool:
    return len(texts) + sum(map(len, texts)) <= _MOST_REMEMBERED


def _plan(asked: tuple[str, ...], gains_leading_space: bool, echo: str) -> StopPlan:
    told = [stop for stop in dict.fromkeys((*asked, BUILTIN_STOP)) if stop]
    blank = {stop for stop in told if stop.isspace()}
    spaced = {stop for stop in told if gains_leading_space and stop.startswith(" ")}
    _refuse_too_many(told if echo else blank | spaced)
    echoed = {stop for stop in told if _may_match_in(stop, echo)} if echo else set[str]()
    ours = blank | spaced | echoed
    emulated = tuple([stop for stop in told if stop in ours])
    adjustments = [
        Adjustment(
            AdjustmentKind.EMULATE_STOP_SEQUENCE,
            "stop_sequences",
            repr(stop) if stop in blank else "one that may match inside the prefill",
            "emulated",
        )
        for stop in emulated
        if stop in blank or stop in echoed
    ]
    if "" in asked:
        kind = AdjustmentKind.DROP_EMPTY_STOP_SEQUENCE
        adjustments.append(Adjustment(kind, "stop_sequences", '""', "nothing"))
    native = tuple([stop for stop in told if stop not in blank and stop not in echoed])
    return StopPlan(native, emulated, tuple(adjustments))


_plan_remembered = lru_cache(maxsize=256)(_plan)


def _refuse_too_many(stops: Iterable[str]) -> None:
    # Checked before anyone looks where they match: that costs the square of their length.
    if sum(map(len, stops)) > MAX_EMULATED_CHARACTERS:
        raise InvalidCompletionRequest(
            f"stop_sequences: more than {MAX_EMULATED_CHARACTERS} characters that upstream"
            " cannot watch for"
        )


def _may_match_in(stop: str, echo: str) -> bool:
    return stop in echo or any(echo.endswith(stop[:size]) for size in range(1, len(stop)))


@dataclass(slots=True)
class _State:
    """A prefix of some sequence."""

    depth: int
    next: dict[str, _State] = field(default_factory=dict[str, "_State"])
    shorter: _State | None = None
    """The longest other prefix that ends here too."""
    match: str | None = None
    """The longest sequence that ends here."""


@dataclass(frozen=True, slots=True)
class _Automaton:
    """The states of all sequences, to be shared: it is built once and only followed."""

    root: _State
    first: re.Pattern[str]
    """What any sequence can begin with."""

    @classmethod
    def of(cls, sequences: tuple[str, ...]) -> _Automaton:
        root = _State(0)
        for sequence in sequences:
            state = root
            for character in sequence:
                state = state.next.setdefault(character, _State(state.depth + 1))
            state.match = sequence
        _link(root)
        return cls(root, re.compile("|".join(map(re.escape, root.next)) or _NEVER))


class StopScanner:
    """Release text as it becomes safe to; stop for good at the first match."""

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self.matched: str | None = None
        automaton = _automaton(sequences)
        self._held = ""
        self._root = self._state = automaton.root
        self._first = automaton.first

    def feed(self, text: str) -> str:
        """Take more text; return what can no longer be part of a match."""
        if not self._root.next:
            return text
        if self.matched is not None:
            return ""
        if self._state is self._root and self._first.search(text) is None:
            return text  # nothing is held, and nothing begins
        start = len(self._held)
        text = self._held + text
        end = self._scan(text, start)
        if self.matched is not None:
            self._held = ""
            return text[: end - len(self.matched)]
        cut = len(text) - self._state.depth
        self._held = text[cut:]
        return text[:cut]

    def flush(self) -> str:
        """Release the held-back tail; no more text is coming."""
        released, self._held = self._held, ""
        self._state = self._root
        return released

    def _scan(self, text: str, position: int) -> int:
        """Follow the text from a position; return where it ends or a sequence is complete."""
        while position < len(text):
            if self._state is self._root:
                candidate = self._first.search(text, position)
                if candidate is None:
                    return len(text)
                position = candidate.start()
            self._state = _follow(self._state, text[position])
            position += 1
            if self._state.match is not None:
                self.matched = self._state.match
                return position
        return position


def _follow(state: _State, character: str) -> _State:
    while character not in state.next:
        if state.shorter is None:
            return state
        state = state.shorter
    return state.next[character]


def _link(root: _State) -> None:
    """Point each state at the longest shorter one, nearest to the root first."""
    waiting = deque(root.next.values())
    for state in waiting:
        state.shorter = root
    while waiting:
        state = waiting.popleft()
        for character, longer in state.next.items():
            assert state.shorter is not None
            longer.shorter = _follow(state.shorter, character)
            longer.match = longer.match or longer.shorter.match
            waiting.append(longer)


_OF_NOTHING: Final = _Automaton.of(())
_remembered = lru_cache(maxsize=64)(_Automaton.of)


def _automaton(sequences: tuple[str, ...]) -> _Automaton:
    if not sequences:
        return _OF_NOTHING
    return (_remembered if _are_short(sequences) else _Automaton.of)(sequences)
