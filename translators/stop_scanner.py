"""
Find stop sequences in text that arrives in chunks of any size.

The scanner cuts at the sequence that is *completed* first, as a sampler would,
and holds back a tail that may still become one. Where it cuts therefore never
depends on how upstream chunked the text. Sequences that upstream watches for
are found here as well: another one may be complete inside of the one that
upstream has found, and an upstream may ignore stop sequences.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from translators.automaton import START, Automaton

_MAX_CACHED_LENGTH: Final = 200
"""Limit on the sequences whose automaton is cached: one each, and one per character."""

_NO_SEQUENCES: Final = Automaton(())
_cached_automaton: Final = lru_cache(maxsize=64)(Automaton)


class StopScanner:
    """Releases text that can no longer be part of a match; ends at the first match."""

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self.matched: str | None = None
        """The stop sequence that was found, once one was."""
        if not any(sequences):
            self._automaton = _NO_SEQUENCES
        elif len(sequences) + sum(map(len, sequences)) <= _MAX_CACHED_LENGTH:
            self._automaton = _cached_automaton(sequences)
        else:
            self._automaton = Automaton(sequences)
        self._state = START  # the state determines the text held back, so no copy is kept

    def feed(self, text: str) -> str:
        """Scan more text; return what can no longer be part of a match."""
        if self._automaton is _NO_SEQUENCES:
            return text
        if self.matched is not None:
            return ""
        before = self._state
        if before == START and self._automaton.first_character.search(text) is None:
            return text  # nothing is held back, and no sequence begins here
        end, state = next(self._automaton.follow(text, before))
        self.matched = matched = self._automaton.match[state]
        end -= self._automaton.depth[state] if matched is None else len(matched)
        self._state = state if matched is None else START
        released = text[:end] if end > 0 else ""
        if before == START:
            return released
        return self._automaton.prefix(before, self._automaton.depth[before] + end) + released

    def feed_found(self, stop: str) -> str:
        """Take the sequence that upstream has found and left out; return the text held back."""
        before = self._state
        released = self.feed(stop)
        if self.matched is None:  # it is too long to be watched for here
            self._state = before
            released, self.matched = self.flush(), stop
        return released

    def flush(self) -> str:
        """Return the text held back; the message has ended."""
        held, self._state = self._state, START
        return self._automaton.prefix(held, self._automaton.depth[held])
