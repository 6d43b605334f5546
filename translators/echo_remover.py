"""
Remove from the start of an answer what the prompt already ends with.

A model that was asked to continue a prefill often repeats it first, and may
begin with the white space that was trimmed off its end.
"""

from __future__ import annotations


class EchoRemover:
    """
    Removes a text from the start of an answer: all of it, or nothing.

    White space in front of either text is ignored, because models differ in
    what they write before a repeated prefill.
    """

    def __init__(self, echo: str) -> None:
        self._echo = echo.lstrip()
        self._matched = 0
        """Characters of the echo seen so far; a copy of them would take quadratic time."""
        self._space: list[str] = []  # white space in front of it

    @property
    def is_settled(self) -> bool:
        """True once nothing is held back and all further text passes unchanged."""
        return not self._echo

    def feed(self, text: str) -> str:
        """Take more text; return what is certainly not part of the echo."""
        if not self._echo:
            return text
        rest = text
        if text and not self._matched:
            rest = text.lstrip()
            self._space.append(text[: len(text) - len(rest)])
        missing = len(self._echo) - self._matched
        if not self._echo.startswith(rest[:missing], self._matched):
            return self.flush() + rest
        self._matched += len(rest[:missing])
        if self._matched == len(self._echo):
            self._forget()
        return rest[missing:]

    def flush(self) -> str:
        """Return the text held back because it began like the echo; the answer has ended."""
        released = "".join(self._space) + self._echo[: self._matched]
        self._forget()
        return released

    def _forget(self) -> None:
        self._echo = ""
        self._matched = 0
        self._space = []


class TrimmedSpaceRemover:
    """Removes the part of the trimmed white space with which an answer begins."""

    def __init__(self, trimmed: str) -> None:
        self._trimmed = trimmed
        self._matched = 0

    @property
    def is_settled(self) -> bool:
        """True once all further text passes unchanged."""
        return self._matched == len(self._trimmed)

    def feed(self, text: str) -> str:
        """Take more text; return it without the repeated white space."""
        if self.is_settled:
            return text
        start = 0
        expected = self._trimmed[self._matched : self._matched + len(text)]
        for actual, trimmed in zip(text, expected, strict=False):
            if actual != trimmed:
                self._trimmed = ""
                self._matched = 0
                return text[start:]
            start += 1
        self._matched += start
        return text[start:]
