"""
Text of a message in, text of the completion out, piece by piece.

The one place where streams and whole answers become completions, so that they
agree: echo of a prefill off, its trimmed white space off, the leading space
on, cut at the first emulated stop. Law: any chunking, same result.
"""

from __future__ import annotations

from typing import Final

from translators.plan import Plan
from translators.prefill import EchoRemover, TrimmedSpaceRemover
from translators.steps import Steps, windows
from translators.stops import StopScanner

_AT_ONCE: Final = 16 * 1024
"""Characters in one step: each may have to be looked at by itself."""


class CompletionText:
    """What one message says, as the legacy API would have said it."""

    def __init__(self, plan: Plan) -> None:
        self._echo = EchoRemover(plan.echo)
        self._trimmed = TrimmedSpaceRemover(plan.trimmed)
        self._wants_space = plan.gains_leading_space
        self.has_begun = False
        """Whether the start of the completion is settled, and all that follows only scanned."""
        self._scanner = StopScanner(plan.emulated_stops)

    @property
    def matched(self) -> str | None:
        """The emulated stop that ended the text, once one did."""
        return self._scanner.matched

    def feed(self, text: str) -> str:
        """Take more of the message; return what is certain to be completion."""
        if self.has_begun:
            return self._scanner.feed(text)
        return self._scan(self._echo.feed(text))

    def feed_in_steps(self, text: str) -> Steps[str]:
        """Take more of the message, as `feed` does, in steps."""
        said: list[str] = []
        for start, end in windows(len(text), _AT_ONCE):
            if start:
                yield
            said.append((yield from self._scan_in_steps(self._echo.feed(text[start:end]))))
        return "".join(said)

    def flush(self) -> str:
        """Return what was held back; the message is whole."""
        return self._scan(self._echo.flush()) + self._scanner.flush()

    def flush_in_steps(self) -> Steps[str]:
        """Return what was held back, as `flush` does, in steps."""
        return (yield from self._scan_in_steps(self._echo.flush())) + self._scanner.flush()

    def _scan_in_steps(self, text: str) -> Steps[str]:
        """What was no echo, or was one that broke off and is given back whole."""
        said: list[str] = []
        for start, end in windows(len(text), _AT_ONCE):
            if start:
                yield
            said.append(self._scan(text[start:end]))
        return "".join(said)

    def _scan(self, text: str) -> str:
        if not self.has_begun:
            text = self._joined(text)
            self.has_begun = (
                self._echo.is_settled and self._trimmed.is_settled and not self._wants_space
            )
        return self._scanner.feed(text)

    def _joined(self, text: str) -> str:
        text = self._trimmed.feed(text)
        if not self._wants_space or not text:
            return text
        self._wants_space = False
        # Legacy completions begin with a space, Messages text does not (messages-wire 8).
        return text if text[0].isspace() else f" {text}"
