"""
Search for the kinds of a table in a text, and replacement of what is found.

* Prefixes come first, all in one pass. Each contains a character that is rare in prose;
  a text is compared with a prefix only where that character follows the right one and
  long enough a word follows.
* Words are searched for in lower case.
* Shapes come last; those made of digits are tried only near seven or more digits.

Texts are searched in pieces, because a regular expression keeps all other threads waiting.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from proxy.security.sensitive.kinds import MAX_SHAPE_LENGTH, Confirm, Kind, Span

_RARE_CHARACTERS: Final = "~_J/zKQB-2.CA"
"""Characters of prefixes that are rare in prose, the rarest first."""
_REST_OF_KEY: Final = (
    "(?=[A-Za-z0-9_.+/~%-]{8})(?=[A-Za-z0-9_.+/~%-]{0,23}[A-Z0-9]|[A-Za-z0-9]{20})"
)
"""Matches the rest of a key: 8 characters; and 20 alphanumerics, or a digit or capital soon."""
_DIGITS: Final = r"\d(?:[ .\-/()\u00a0\u2007\u2009\u202f\u2010-\u2013]{0,3}\d){6,256}+"
_ASCII_DIGITS: Final = r"[0-9](?:[ .\-/()]{0,3}[0-9]){6,256}+"
_CONTEXT_LENGTH: Final = 16
"""Characters before the digits that may belong to a number: `+`, `(`, a country, a bank."""
_Spans: TypeAlias = Iterator[tuple[int, int, str]]
"""Start, end and replacement of each match; in order, without overlaps."""


# `re` would not cache so many expressions.
_compiled: Final[Callable[[str], re.Pattern[str]]] = cache(re.compile)


class _SearchedText(NamedTuple):
    """A text, and the form of it that is searched; both have the same length."""

    text: str
    searched: str

    def without(self, found: _Spans) -> _SearchedText:
        spans = list(found)
        if not spans:
            return self
        text = _replace_spans(self.text, spans)
        return _SearchedText(
            text, text if self.searched is self.text else _replace_spans(self.searched, spans)
        )


_ESCAPED: Final = re.compile(
    r"(?:\x9b|(?:\x1b|\\(?:x1b|033|e|u001b))\[)[0-9;?]{0,16}[A-Za-z]"
    r"|\\(?:u00|x)(?P<sign>2[0-9A-Fa-f]|3[A-Fa-f]|5[B-Fb-f]|60|7[B-Eb-e])|\\[nrtbfv0]"
)
"""Matches terminal colours, and escaped spaces and signs of JSON and source code."""
_LINES: Final = frozenset({"\\n", "\\r", "\\t"})


def _unescaped(text: str, piece: int) -> str:
    """
    Replace terminal colours and escapes by what a reader sees; the length stays the same.

    A prompt may contain JSON, source code or terminal output. The last letter of an
    escape does not belong to the word that follows it.
    """
    if "\\" in text or "\x1b" in text or "\x9b" in text:
        escapes = list(_find_in_pieces(_ESCAPED, text, (0, len(text)), piece))
        if any(found[0] not in _LINES for found in escapes):
            spans: list[tuple[int, int, str]] = []
            for found in escapes:
                sign = chr(int(found["sign"], 16)) if found["sign"] else " "
                spans.append((*found.span(), "\n" + " " * (len(found[0]) - 2) + sign))
            return _replace_spans(text, spans)
    return text


def _replace_spans(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    kept: list[str] = []
    free = 0
    for start, end, instead in spans:
        kept += text[free:start], instead
        free = end
    return "".join((*kept, text[free:]))


class _CompiledKind(NamedTuple):
    """A kind with its compiled expression."""

    pattern: re.Pattern[str]
    confirm: Confirm
    replacement: str
    needs: tuple[str, ...]


class _Prefix(NamedTuple):
    letters: str
    rare_at: int
    sought: _CompiledKind


class Finder:
    """Finds the kinds of a table; where two kinds match, the earlier row wins."""

    def __init__(
        self,
        kinds: Iterable[Kind],
        *,
        piece: int,
        compiled: Callable[[str], re.Pattern[str]] = _compiled,
    ) -> None:
        """Search in pieces of `piece` characters; tests pass `compiled` to count steps."""
        self._piece = piece
        self._shapes: list[_CompiledKind] = []
        self._shapes_in_digits: list[_CompiledKind] = []
        self._by_word: defaultdict[str, list[_CompiledKind]] = defaultdict(list)
        self._by_pair: defaultdict[str, list[_Prefix]] = defaultdict(list)
        for kind in kinds:
            pattern = compiled(kind.whole_expression)
            sought = _CompiledKind(pattern, kind.confirm, f"[{kind.replacement}]", kind.needs)
            for start in kind.starts:
                rarest = min(set(start[1:]) & set(_RARE_CHARACTERS), key=_RARE_CHARACTERS.index)
                at = start.rindex(rarest)  # never the first character
                self._by_pair[start[at - 1 : at + 1]].append(_Prefix(start, at, sought))
            for word in kind.words:
                self._by_word[word].append(sought)
            if not kind.starts and not kind.words:
                (self._shapes_in_digits if kind.in_digits else self._shapes).append(sought)
        rare = re.escape("".join({pair[1] for pair in self._by_pair}))
        self._rare = compiled(f"[{rare}]{_REST_OF_KEY}" if rare else "(?!)")
        self._digits, self._ascii_digits = compiled(_DIGITS), compiled(_ASCII_DIGITS)
        self._overlap = max((len(word) - 1 for word in self._by_word), default=0)

    def without(self, text: str) -> str:
        """Return the text with every match replaced."""
        # Escaped white space, as in JSON within a prompt, is searched as real line breaks.
        searched = text
        for escape in ("\\n", "\\r", "\\t") if "\\" in text else ():
            searched = searched.replace(escape, "\n ")
        text = self._without(_SearchedText(text, searched))
        # Search again without escapes: they may have been taken for parts of a value.
        seen = _unescaped(text, self._piece)
        return text if seen is text else self._without(_SearchedText(text, seen))

    def _without(self, page: _SearchedText) -> str:
        if self._may_be_in(self._rare, page.searched):
            page = page.without(self._find_by_prefix(page.searched))
        page = page.without(self._find_by_word(page.searched))
        for sought in self._shapes:
            for needed in sought.needs:
                if needed in page.searched and self._may_be_in(sought.pattern, page.searched):
                    page = page.without(
                        self._find_by_shape(sought, page.searched, [(0, len(page.searched))])
                    )
                    break
        where = self._digit_spans(page.searched)
        for sought in self._shapes_in_digits:
            if not where:
                break
            before, page = page, page.without(self._find_by_shape(sought, page.searched, where))
            if page is not before:
                where = self._digit_spans(page.searched)
        return page.text

    def _may_be_in(self, pattern: re.Pattern[str], text: str) -> bool:
        # Most short texts do not match, so one search at first saves the search in pieces.
        return len(text) > self._piece or pattern.search(text) is not None

    def _find_by_prefix(self, text: str) -> _Spans:
        free = 0
        for rare in _find_in_pieces(self._rare, text, (0, len(text)), self._piece):
            at = rare.start()
            if at < free:
                continue
            for letters, rare_at, sought in self._by_pair.get(text[at - 1 : at + 1], ()):
                start = at - rare_at
                if text.startswith(letters, start) and start >= free:
                    found = sought.pattern.match(text, start)
                    if found:
                        if span := sought.confirm(found, free):
                            yield *span, sought.replacement
                        free = found.end()

    def _find_by_word(self, text: str) -> _Spans:
        free = 0
        for start in range(0, len(text), self._piece):
            piece = text[start : start + self._piece + self._overlap]
            if not piece.isascii():
                # `lower` changes the length of only this capital, the dotted I.
                piece = piece.replace("\u0130", "i")
            small = piece.lower()
            places: list[tuple[int, _CompiledKind]] = []
            for word, called in self._by_word.items():
                place = small.find(word)
                while 0 <= place < self._piece:
                    places += [(place, sought) for sought in called]
                    place = small.find(word, place + 1)
            for place, sought in sorted(places, key=itemgetter(0)):
                at = start + place
                found = sought.pattern.match(text, at) if at >= free else None
                if found and (span := sought.confirm(found, free)):
                    yield *span, sought.replacement
                    free = span[1]
                elif found and found.lastgroup == "word":  # `confirm` has rejected the whole word
                    free = found.end()

    def _digit_spans(self, text: str) -> list[Span]:
        """Return spans with seven or more digits close together, and their surroundings."""
        digits = self._ascii_digits if text.isascii() else self._digits
        spans: list[Span] = []
        if not self._may_be_in(digits, text):
            return spans
        for found in _find_in_pieces(digits, text, (0, len(text)), self._piece):
            start, end = found.start() - _CONTEXT_LENGTH, found.end()
            if spans and start <= spans[-1][1] + MAX_SHAPE_LENGTH:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((max(start, 0), end))
        return spans

    def _find_by_shape(self, sought: _CompiledKind, text: str, where: Iterable[Span]) -> _Spans:
        free = 0
        for within in where:
            for found in _find_in_pieces(sought.pattern, text, within, self._piece):
                if found.start() >= free and (span := sought.confirm(found, free)):
                    yield *span, sought.replacement
                    free = span[1]


def _find_in_pieces(
    pattern: re.Pattern[str], text: str, within: Span, size: int
) -> Iterator[re.Match[str]]:
    """Like `finditer`, for matches that begin within a span; search `size` characters at once."""
    start, end = within
    while start < end:
        first, stop = start, min(start + size, end)
        start = stop
        for found in pattern.finditer(text, first, stop + MAX_SHAPE_LENGTH):
            if found.start() >= stop:
                break
            if found.end() > stop:
                found = pattern.match(text, found.start()) or found  # noqa: PLW2901
            yield found
            start = max(stop, found.end())
