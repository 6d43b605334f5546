"""
Join an answer to the prefill that it continues.

A model that takes no prefill is asked in a new turn to go on where the prefill ends. It does not
know the joint: whether a space comes first, or the rest of a word. So it is asked to begin with
the last words of the prefill. What it repeats of them, all of the prefill or a part of its end,
is the anchor: it is removed, and what follows is the completion, white space included.

Where nothing was repeated, the joint is guessed by a rule: a space is put between two words,
between punctuation and a word, and behind the mark of a list or a heading; a new line behind the
one that opens a block of code. A word may begin with a quote, a parenthesis, a currency or an
emphasis of Markdown, unless the last line of the prefill leaves it open, so that it closes. None is
put where the client's own white space stands, where the answer begins with white space or
punctuation, nor where the last line of the prefill looks like JSON, markup or code, nor in scripts
without spaces. A model that goes on in the middle of a word without repeating its beginning is not
recognized.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

_ANCHOR_LENGTH: Final = 200
"""Characters at the end of a prefill in which an anchor may begin, unless it is all of it."""
_SURE_LENGTH: Final = 4
"""Characters from which on an anchor may end inside of a word of the answer."""
_UNSPACED_LENGTH: Final = 8
"""Characters that an anchor needs at least in a text that has no spaces between words."""
_AFTER_SPACE: Final = frozenset(".,;:!?\u2026")
"""Punctuation after which a word is set off by a space."""
_WITHOUT_SPACES: Final = "\u2e80"
"""The first character of the scripts of East Asia, which put no space between words."""
_OF_CODE: Final = frozenset("{}[]<>=`|\\")
_OPENING: Final = frozenset("(\u201c\u2018$\u20ac\u00a3")
_OPENING_A_LINE: Final = frozenset("'-#\u2022")
"""Characters that open a quote, a list or a heading after punctuation, but belong to a word within
one: `it's`, `C#`."""
_PAIRED: Final = frozenset('"*`')
"""Marks that open and close with the same character, unlike `'` and `_`, which are in words too."""
_MARK_OF_A_LINE: Final = re.compile(r"\s*(?:[-*\u2022]|#{1,6}|\d{1,3}\))")
"""A list's bullet or number, or a heading's mark, alone on its line."""
_OPENS_CODE: Final = re.compile(r"\s*(?:```|~~~)\s*[\w+-]*")


class PrefillJoiner:
    """
    Joins the text of an answer to a prefill, in chunks of any size.

    White space does not matter in the comparison, because models re-wrap and re-indent what they
    repeat. Text is held back only as long as it may be an anchor.
    """

    def __init__(self, prefill: str, trimmed: str = "") -> None:
        """`trimmed` is the white space that was removed from the end of the prefill."""
        whole = "".join(prefill.split())
        self._prefill = prefill if whole else ""
        self._trimmed = trimmed
        self._anchors = _anchors(prefill, whole)
        self._long_whole = whole if len(whole) > _ANCHOR_LENGTH else ""
        """All of a long prefill without its white space, as long as the answer may repeat it."""
        self._matched = 0
        """How much of that the answer has repeated so far."""
        self._held: list[str] = []
        self._start = ""
        """The beginning of what is held without its white space: as much as an anchor may have."""

    @property
    def is_settled(self) -> bool:
        """True once nothing is held back and all further text passes unchanged."""
        return not self._prefill

    def feed(self, text: str) -> str:
        """Take more text; return what certainly belongs to the completion."""
        if not self._prefill or not text:
            return text
        self._held.append(text)
        plain = "".join(text.split())
        if (missing := _ANCHOR_LENGTH + 1 - len(self._start)) > 0:
            self._start += plain[:missing]
        if self._long_whole:
            missing = len(self._long_whole) - self._matched
            if self._long_whole.startswith(plain[:missing], self._matched):
                self._matched += len(plain)
                return self._settle(text[_end_of(text, missing) :]) if len(plain) >= missing else ""
            self._long_whole = ""
        return self._decide(has_ended=False)

    def flush(self) -> str:
        """Return the text held back; the answer has ended."""
        return self._decide(has_ended=True) if self._prefill else ""

    def _decide(self, *, has_ended: bool) -> str:
        """Return the text after the longest anchor, or all of it; nothing if that is not sure."""
        for anchor in self._anchors:
            if not self._start.startswith(anchor):
                if not has_ended and anchor.startswith(self._start):
                    return ""
                continue
            held = "".join(self._held)
            rest = held[_end_of(held, len(anchor)) :]
            is_sure = len(anchor) >= _SURE_LENGTH or not anchor[-1].isalnum()
            if not (is_sure or rest or has_ended):
                return ""
            if is_sure or not rest[:1].isalnum():
                return self._settle(rest)
        held = "".join(self._held)
        return self._settle(held if self._trimmed else _joint(self._prefill, held) + held)

    def _settle(self, released: str) -> str:
        self._prefill = self._long_whole = self._start = ""
        self._held, self._anchors = [], ()
        return released


def _anchors(prefill: str, whole: str) -> tuple[str, ...]:
    """Return the ends of a prefill that may be repeated, without white space, longest first."""
    tail = prefill[-_ANCHOR_LENGTH:]
    words = tail.split()
    if len(words) == 1:
        word = words[0]
        lengths = range(len(word) - 1, _UNSPACED_LENGTH - 1, -1)
        ends = [word[-length:] for length in lengths]
    else:
        if len(tail) < len(prefill) and not prefill[-_ANCHOR_LENGTH - 1].isspace():
            words = words[1:]  # half of one
        ends = ["".join(words[number:]) for number in range(len(words))]
    all_of_it = [whole] if len(whole) <= _ANCHOR_LENGTH else []
    return tuple(dict.fromkeys([*all_of_it, *ends]))


def _end_of(text: str, count: int) -> int:
    """Return the position after so many characters of a text that are not white space."""
    plain = (place for place, character in enumerate(text) if not character.isspace())
    return next(islice(plain, count - 1, None)) + 1


def _joint(prefill: str, answer: str) -> str:
    """Return the space between a prefill and an answer that does not repeat any of it, or none."""
    if not prefill or not answer:
        return ""
    last, first = prefill[-1], answer[0]
    last_line = prefill[prefill.rfind("\n") + 1 :]
    if _OPENS_CODE.fullmatch(last_line):
        return "" if first.isspace() else "\n"
    opens = first in _OPENING or (first in _OPENING_A_LINE and last in _AFTER_SPACE)
    closes = last_line.replace("**", "*").count(first) % 2 == 1
    if not (first.isalnum() or opens or (first in _PAIRED and not closes)):
        return ""
    if _MARK_OF_A_LINE.fullmatch(last_line):
        return " "
    if not _OF_CODE.isdisjoint(last_line[-_ANCHOR_LENGTH:]):
        return ""
    if max(last, first) >= _WITHOUT_SPACES:
        return ""
    return " " if last.isalnum() or last in _AFTER_SPACE else ""


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
