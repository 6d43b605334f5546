"""
A text and many sequences in, the places where one is complete out: in one pass.

The automaton of Aho and Corasick (Communications of the ACM 18:6, 1975). A
state is a prefix of some sequence: the longest that ends where the text read
so far does. The work is linear in the text, however many sequences there are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

START: Final = 0
"""The state in which nothing is read, or nothing that matters: the empty prefix."""

_MAX_BEGINNINGS: Final = 64
"""In a class of characters, those beyond U+FFFF are compared one by one."""
_ANY: Final = re.compile(r"(?s:.)")
_NONE: Final = re.compile(r"(?!)")


class Automaton:
    """
    The prefixes of all sequences, to be shared: built once, and only followed.

    States are numbers of rows, not objects that know each other: those would
    be cycles of some megabytes, which wait for the garbage collector.
    """

    def __init__(self, sequences: Iterable[str]) -> None:
        self.depth = [0]
        """How many characters, at the end of what was read, each state stands for."""
        self.match: list[str | None] = [None]
        """The longest sequence that is complete in each state, if one is."""
        self._sequence = [""]  # one that begins with the prefix
        self._next: list[dict[str, int]] = [{}]
        self._shorter = [START]  # the longest other prefix that ends where this one does
        for sequence in sequences:
            self._add(sequence)
        self._link()
        self.beginning: Final = _any_of(self._next[START])
        """What every sequence begins with, though not all that it finds begins one."""

    def follow(self, text: str, state: int = START) -> Iterator[tuple[int, int]]:
        """Yield position and state wherever a sequence is complete, and where the text ends."""
        following, shorter, match, end = self._next, self._shorter, self.match, len(text)
        position = 0
        while position < end:
            longer = following[state].get(text[position])
            if longer is not None:
                state = longer
                position += 1
                if match[state] is not None:
                    yield position, state
            elif state != START:
                state = shorter[state]
            else:
                found = self.beginning.search(text, position + 1)
                position = end if found is None else found.start()
        yield end, state

    def spelled(self, state: int, size: int) -> str:
        """The characters that a state stands for, or the first of them."""
        return self._sequence[state][: min(size, self.depth[state])]

    def touched_by(self, text: str) -> set[str]:
        """The sequences that are complete somewhere in a text, or may have begun where it ends."""
        passed: set[int] = set()
        state = START
        for _, state in self.follow(text):
            passed.add(state)
        inside = _reached(passed, self._ending_with)
        begun = _reached((state,), self._ending_with) - {START}
        across = _reached(begun, self._continuing)
        return {
            match
            for state in inside | across
            if (match := self.match[state]) and len(match) == self.depth[state]
        }

    def _ending_with(self, state: int) -> Iterable[int]:
        return (self._shorter[state],)

    def _continuing(self, state: int) -> Iterable[int]:
        return self._next[state].values()

    def _add(self, sequence: str) -> None:
        state = START
        for character in sequence:
            longer = self._next[state].get(character)
            if longer is None:
                longer = self._next[state][character] = len(self._next)
                self._next.append({})
                self._shorter.append(START)
                self.depth.append(self.depth[state] + 1)
                self._sequence.append(sequence)
                self.match.append(None)
            state = longer
        self.match[state] = sequence

    def _link(self) -> None:
        """Find the longest shorter prefix of each, nearest to the start first."""
        waiting = deque(self._next[START].values())
        while waiting:
            state = waiting.popleft()
            for character, longer in self._next[state].items():
                shorter = self._shorter[state]
                while shorter != START and character not in self._next[shorter]:
                    shorter = self._shorter[shorter]
                self._shorter[longer] = self._next[shorter].get(character, START)
                self.match[longer] = self.match[longer] or self.match[self._shorter[longer]]
                waiting.append(longer)


def _any_of(characters: Collection[str]) -> re.Pattern[str]:
    if len(characters) > _MAX_BEGINNINGS:
        return _ANY
    return re.compile("|".join(map(re.escape, characters))) if characters else _NONE


def _reached(states: Iterable[int], onward: Callable[[int], Iterable[int]]) -> set[int]:
    """These states and all that lie onward from them."""
    reached: set[int] = set()
    waiting = list(states)
    while waiting:
        state = waiting.pop()
        if state not in reached:
            reached.add(state)
            waiting.extend(onward(state))
    return reached
