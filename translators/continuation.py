"""
Join an answer to the prefill that it continues.

A model that takes no prefill is asked in a new turn to go on where the prefill ends. It does not
know the joint: whether a space comes first, or the rest of a word. So it is asked to begin with
the last words of the prefill. What it repeats of them, all of the prefill or a part of its end,
is the anchor: it is removed, and what follows is the completion, white space included. It may
stand behind an ellipsis, and all of the prefill or a long part of it also behind a mark that opens
a quotation or code, which is removed with the one that closes it. JSON and markup that a model
puts into a block of code of its own are taken out of it.

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
_LONGEST_LEAD: Final = 8
_LEAD: Final = re.compile("""(?:\\.{2,}+|[\u2026"'`*\u201c\u2018\u201e\u00ab(\\[>])*""")
"""Marks that models put before what they repeat: an ellipsis, of a quotation, of code."""
_UNFINISHED_LEAD: Final = re.compile(rf"{_LEAD.pattern}\.?")
_BLOCK: Final = re.compile(r"```[a-z]{0,5}(?=[{\[<])")
"""The line that opens a block of JSON or markup, with its language, before what it has."""
_UNFINISHED_BLOCK: Final = re.compile(r"```[a-z]{0,5}")
_FENCE: Final = "```"
_LONGEST_FENCE_LINE: Final = 64
"""Characters of the line that closes a block, white space around it included."""
_CLOSING: Final = str.maketrans(
    "\u201c\u2018\u201e\u00ab([", "\u201d\u2019\u201c\u00bb)]", ".\u2026>"
)
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
        self._whole = whole
        self._anchors = [("", anchor) for anchor in _anchors(prefill, whole)]
        """Ends of the prefill with which an answer may begin, each with the marks before it."""
        self._long_whole = ("", whole) if len(whole) > _ANCHOR_LENGTH else None
        """The marks before all of a long prefill, and both without white space, as long as the
        answer may repeat it."""
        self._matched = 0
        """How much of that the answer has repeated so far."""
        self._held: list[str] = []
        self._start = ""
        """The beginning of what is held without its white space: as much as an anchor may have."""
        self._lead: str | None = None
        """The marks with which the answer begins; None while more may come."""
        self._closing: PrefixRemover | BlockCloser = PrefixRemover("")

    @property
    def is_settled(self) -> bool:
        """True once nothing is held back and all further text passes unchanged."""
        return not self._prefill and self._closing.is_settled

    def feed(self, text: str) -> str:
        """Take more text; return what certainly belongs to the completion."""
        if not self._prefill or not text:
            return self._closing.feed(text)
        self._held.append(text)
        plain = "".join(text.split())
        if (missing := _LONGEST_LEAD + _ANCHOR_LENGTH + 1 - len(self._start)) > 0:
            self._start += plain[:missing]
        if self._lead is None:
            if len(self._start) <= _LONGEST_LEAD and (
                _UNFINISHED_LEAD.fullmatch(self._start) or _UNFINISHED_BLOCK.fullmatch(self._start)
            ):
                return ""
            self._allow_for(_lead_of(self._start[: _LONGEST_LEAD + 1]))
            text = "".join(self._held)
            plain = "".join(text.split())
        if self._long_whole is not None:
            lead, expected = self._long_whole
            missing = len(expected) - self._matched
            if expected.startswith(plain[:missing], self._matched):
                self._matched += len(plain)
                if len(plain) < missing:
                    return ""
                return self._settle(text[_end_of(text, missing) :], lead)
            self._long_whole = None
        return self._decide(has_ended=False)

    def flush(self) -> str:
        """Return the text held back; the answer has ended."""
        return (self._decide(has_ended=True) if self._prefill else "") + self._closing.flush()

    def _allow_for(self, lead: str) -> None:
        """Expect what may be repeated behind these marks, too."""
        self._lead = lead
        if not lead:
            return
        is_ellipsis = "\u2026" in lead or ".." in lead
        added = [
            (lead, anchor)
            for _, anchor in self._anchors
            if is_ellipsis or anchor == self._whole or len(anchor) >= _UNSPACED_LENGTH
        ]
        if block := _BLOCK.match(self._start):
            added += [(block[0], anchor) for _, anchor in self._anchors if anchor[0] in "{[<"]
        self._anchors += added
        self._anchors.sort(key=lambda repeated: len(repeated[1]), reverse=True)
        if self._long_whole is not None and not self._whole.startswith(lead):
            self._long_whole = (lead, lead + self._whole)

    def _decide(self, *, has_ended: bool) -> str:
        """Return the text after the longest anchor, or all of it; nothing if that is not sure."""
        for lead, anchor in self._anchors:
            expected = lead + anchor
            if not self._start.startswith(expected):
                if not has_ended and expected.startswith(self._start):
                    return ""
                continue
            held = "".join(self._held)
            rest = held[_end_of(held, len(expected)) :]
            is_sure = len(anchor) >= _SURE_LENGTH or not anchor[-1].isalnum()
            if not (is_sure or rest or has_ended):
                return ""
            if is_sure or not rest[:1].isalnum():
                return self._settle(rest, lead, is_block=bool(_BLOCK.match(lead + anchor[0])))
        held = "".join(self._held)
        return self._settle(held if self._trimmed else _joint(self._prefill, held) + held)

    def _settle(self, released: str, lead: str = "", *, is_block: bool = False) -> str:
        self._prefill = self._whole = self._start = ""
        self._long_whole = None
        self._held, self._anchors = [], []
        self._closing = BlockCloser() if is_block else PrefixRemover(lead[::-1].translate(_CLOSING))
        return self._closing.feed(released)


def _lead_of(text: str) -> str:
    """Return the marks with which a text begins, unless they are too many to be a lead."""
    lead = text[: len(text) - len(_behind_lead(text))]
    return lead if len(lead) <= _LONGEST_LEAD else ""


def _behind_lead(text: str) -> str:
    """Return a text without the marks with which it begins."""
    return _LEAD.sub("", text, count=1)


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
    spelled = [form for end in (*all_of_it, *ends) for form in (end, _behind_lead(end)) if form]
    return tuple(dict.fromkeys(spelled))


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


class BlockCloser:
    """Removes the line that closes a block of code, unless more than white space follows it."""

    is_settled = False

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Take more text; return it without its end, if that may be the line."""
        text = self._held + text
        body = text.rstrip()
        before = body.removesuffix(_FENCE) if body.endswith(_FENCE) else body.rstrip("`")
        end = max(len(before.rstrip()), len(text) - _LONGEST_FENCE_LINE)
        self._held = text[end:]
        return text[:end]

    def flush(self) -> str:
        """Return what was held and is not that line; the text has ended."""
        held, self._held = self._held, ""
        return "" if held.strip() == _FENCE else held


class PrefixRemover:
    """Removes as much of a prefix as a text begins with."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._matched = 0

    @property
    def is_settled(self) -> bool:
        """True once all further text passes unchanged."""
        return self._matched == len(self._prefix)

    def feed(self, text: str) -> str:
        """Take more text; return it without that part of the prefix."""
        if self.is_settled:
            return text
        start = 0
        expected = self._prefix[self._matched : self._matched + len(text)]
        for actual, wanted in zip(text, expected, strict=False):
            if actual != wanted:
                self._prefix = ""
                self._matched = 0
                return text[start:]
            start += 1
        self._matched += start
        return text[start:]

    def flush(self) -> str:
        """Return what is held back, which is nothing; the text has ended."""
        return ""
