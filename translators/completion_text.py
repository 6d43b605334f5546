"""
Turn the text of a message into the text of a completion, chunk by chunk.

Streams and whole answers both use this class, so that they agree. It removes
the echo of a prefill and its trimmed white space, adds the leading space, and
cuts at the first stop sequence. The result does not depend on the chunks.
"""

from __future__ import annotations

from typing import Final

from translators.continuation import PrefillJoiner, TrimmedSpaceRemover
from translators.plan import Plan
from translators.steps import Steps, completed, windows
from translators.stop_scanner import StopScanner

_CHARACTERS_PER_STEP: Final = 16 * 1024
"""Smaller than STEP_SIZE, because each character may have to be looked at in Python."""


class CompletionText:
    """Translates the text of one message."""

    def __init__(self, plan: Plan) -> None:
        self._echo = PrefillJoiner(plan.echo, plan.trimmed)
        self._trimmed = TrimmedSpaceRemover(plan.trimmed)
        self._wants_space = plan.gains_leading_space
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
        if found is None or self._scanner.matched is not None:
            return released + self._scanner.flush()
        held = self._scanner.feed_found(found)
        if self._wants_space and held:  # the text begins inside of what upstream left out
            held = held if held[0].isspace() else f" {held}"
        return released + held

    def _scan_in_steps(self, text: str) -> Steps[str]:
        scanned: list[str] = []
        for start, end in windows(len(text), _CHARACTERS_PER_STEP):
            if start:
                yield
            scanned.append(self._scan(text[start:end]))
        return "".join(scanned)

    def _scan(self, text: str) -> str:
        if not self.has_begun:
            text = self._trimmed.feed(text)
            if self._wants_space and text:
                self._wants_space = False
                # Legacy completions begin with a space, Messages text does not (messages-wire 8).
                text = text if text[0].isspace() else f" {text}"
            self.has_begun = (
                self._echo.is_settled and self._trimmed.is_settled and not self._wants_space
            )
        return self._scanner.feed(text)
