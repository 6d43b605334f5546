"""
Turn the text of a message into the text of a completion, chunk by chunk.

Streams and whole answers both use this class, so that they agree. It removes
the echo of a prefill and its trimmed white space, adds the leading space, and
cuts at the first stop sequence. The result depends neither on the chunks nor on
which of the stop sequences upstream watches for. An empty completion is empty:
it has no leading space either.
"""

from __future__ import annotations

from typing import Final

from translators.continuation import PrefillJoiner, PrefixRemover
from translators.plan import Plan
from translators.steps import Steps, completed, windows
from translators.stop_scanner import StopScanner

_CHARACTERS_PER_STEP: Final = 16 * 1024
"""Smaller than STEP_SIZE, because each character may have to be looked at in Python."""


class CompletionText:
    """Translates the text of one message."""

    def __init__(self, plan: Plan) -> None:
        self._echo = PrefillJoiner(plan.echo, plan.trimmed)
        self._trimmed = PrefixRemover(plan.trimmed)
        self._wants_space = plan.gains_leading_space
        self._held_space: str | None = None
        """What was released so far of an added leading space, while no text has followed it."""
        self.has_begun = False
        """True once echo, white space and leading space are settled: only stops remain."""
        self._scanner = StopScanner(plan.watched_stops)

    @property
    def matched(self) -> str | None:
        """The stop sequence that ended the text, or None."""
        return self._scanner.matched

    def feed(self, text: str) -> str:
        """Take more text of the message; return what is certain to be part of the completion."""
        if self.has_begun:
            return self._scanner.feed(text)
        return self._scan(self._echo.feed(text))

    def feed_in_steps(self, text: str) -> Steps[str]:
        """Take more text of the message in steps, like `feed`."""
        scanned: list[str] = []
        for start, end in windows(len(text), _CHARACTERS_PER_STEP):
            if start:
                yield
            scanned.append((yield from self._scan_in_steps(self._echo.feed(text[start:end]))))
        return "".join(scanned)

    def flush(self, found: str | None = None) -> str:
        """Return the text held back; the message has ended, where upstream found `found`."""
        return completed(self.flush_in_steps(found))

    def flush_in_steps(self, found: str | None = None) -> Steps[str]:
        """Return the text held back in steps, like `flush`."""
        released = yield from self._scan_in_steps(self._echo.flush())
        if found is None or self.matched is not None:
            return released + self._after_space(self._scanner.flush())
        if self._wants_space and not found[:1].isspace():
            # The text begins inside of what upstream left out.
            self._held_space = self._scanner.feed(" ")
        if self.matched is None:
            released += self._after_space(self._scanner.feed_found(found))
        return released

    def _scan_in_steps(self, text: str) -> Steps[str]:
        scanned: list[str] = []
        for start, end in windows(len(text), _CHARACTERS_PER_STEP):
            if start:
                yield
            scanned.append(self._scan(text[start:end]))
        return "".join(scanned)

    def _scan(self, text: str) -> str:
        if self.has_begun:
            return self._scanner.feed(text)
        text = self._trimmed.feed(text)
        if self._wants_space and text:
            self._wants_space = False
            # Legacy completions begin with a space, Messages text does not (messages-wire 8).
            if not text[0].isspace():
                text, self._held_space = f" {text}", ""
        released = self._after_space(self._scanner.feed(text))
        is_removed = self._echo.is_settled and self._trimmed.is_settled
        self.has_begun = is_removed and not self._wants_space and self._held_space is None
        return released

    def _after_space(self, released: str) -> str:
        """Hold an added space back until text has followed it."""
        if self._held_space is None:
            return released
        text = self._held_space + released
        is_alone = len(text) <= 1
        self._held_space = text if is_alone else None
        return "" if is_alone else text
