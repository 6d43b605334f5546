"""
Find where any of many sequences is complete in a text, in a single pass.

The automaton of Aho and Corasick (Communications of the ACM 18:6, 1975). A
state is a prefix of some sequence: the longest that ends where the text read
so far does. The work is linear in the text, however many sequences there are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

START: Final = 0
"""The initial state: nothing read so far can be the start of a sequence."""

_MAX_ALTERNATIVES: Final = 64
"""Limit on the first characters in one pattern: `re` compares those beyond U+FFFF one by one."""
_ANY: Final = re.compile(r"(?s:.)")
_NONE: Final = re.compile(r"(?!)")


class Automaton:
    """
    An immutable automaton over the prefixes of all sequences, safe to share.

    States are row numbers rather than linked objects: those would form
    reference cycles of some megabytes that only the garbage collector frees.
    """

    def __init__(self, sequences: Iterable[str]) -> None:
        self.depth = [0]
        """Length of the prefix that each state stands for."""
        self.match: list[str | None] = [None]
        """The longest sequence that is complete in each state, or None."""
        self._sequence = [""]  # a sequence that begins with the state's prefix
        self._next: list[dict[str, int]] = [{}]
        self._shorter = [START]  # the longest proper suffix that is a prefix, too
        for sequence in sequences:
            self._add(sequence)
        self._link()
        first = self._next[START]
        if len(first) > _MAX_ALTERNATIVES:
            pattern = _ANY
        else:
            pattern = re.compile("|".join(map(re.escape, first))) if first else _NONE
        self.first_character: Final = pattern
        """Pattern that finds every place where a sequence can begin, and perhaps others."""

    def follow(self, text: str, state: int = START) -> Iterator[tuple[int, int]]:
        """Yield position and state wherever a sequence is complete, and at the end of the text."""
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
                found = self.first_character.search(text, position + 1)
                position = end if found is None else found.start()
        yield end, state

    def prefix(self, state: int, size: int) -> str:
        """Return the first `size` characters, or all, of the prefix that a state stands for."""
        return self._sequence[state][: min(size, self.depth[state])]

    def possible_matches(self, text: str) -> set[str]:
        """Return the sequences that occur in a text or may have begun at its end."""
        passed: set[int] = set()
        state = START
        for _, state in self.follow(text):
            passed.add(state)
        inside = _reachable(passed, lambda state: (self._shorter[state],))
        begun = _reachable((state,), lambda state: (self._shorter[state],)) - {START}
        across = _reachable(begun, lambda state: self._next[state].values())
        return {
            match
            for state in inside | across
            if (match := self.match[state]) and len(match) == self.depth[state]
        }

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
        """Set `_shorter` of every state, breadth first, and the matches inherited by it."""
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


def _reachable(states: Iterable[int], neighbours: Callable[[int], Iterable[int]]) -> set[int]:
    reached: set[int] = set()
    waiting = list(states)
    while waiting:
        state = waiting.pop()
        if state not in reached:
            reached.add(state)
            waiting.extend(neighbours(state))
    return reached
