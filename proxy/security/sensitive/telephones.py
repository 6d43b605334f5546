"""Telephone numbers: international, North American, or national after a word for a telephone."""

from __future__ import annotations

import re
from typing import Final

from proxy.security.sensitive.kinds import Kind, Span
from proxy.security.sensitive.numbers import DASH, SPACE

_GAP: Final = rf"[{SPACE}{DASH}./]"
_GAPS: Final = rf"[{SPACE}{DASH}./()]{{0,3}}"
_EXTENSION: Final = rf"(?:[{SPACE}]?(?:x|ext\.?)[{SPACE}]?\d{{1,6}})?"
_TELEPHONE_WORD: Final = re.compile(
    "(?:phone|tel[eé](?:fo|ph?)|téléph|telemóvel|mobi|m[oó]vil|celul|cellu|handy|portable|fax"
    "|hotline|whatsapp|sms|anruf|ruf|appel|ll[aá]m|ligue|chiam|durchwahl|contact|kontakt|erreich"
    "|gsm|viber)[^\\W\\d_]*|(?:call|dial|reach)(?:e?s|l?ed|l?ing|able)?|rings?|cell"
    "|(?!iphone|microphone)[^\\W\\d_]*(?:phone|telefono?)|tel|tél|telf|ph|mob|bel|тел|моб"
)
"""Matches words for telephones and for calling, in several languages."""
_TELEPHONE_LETTER: Final = re.compile(r"(?<![^\W_])[TMFP][:.]\s{0,3}\Z")
_UNSPACED_TELEPHONE_WORD: Final = re.compile("電話|携帯|电话|手机|전화|телефон")
_FILLER_WORD: Final = re.compile(
    "me|us|him|her|them|at|on|numbers?|no|nr|num|is|are|was|unter|under|to|the|my|our|your|his|auf"
    "|an|au|al|en|el|es|le|la|il|è|é|ist|mich|uns|mir|n[uú]mero|numéro|nummer|or|oder|ou|o|and|und"
    "|y|et|e|home|work|office|desk|direct|main|private|via|please|bitte|back|op|dem|der|per|ext"
)
"""Matches words that may stand between a word for a telephone and the number."""
_DATE: Final = re.compile(
    r"(?:(?:19|20)\d\d(?:(?P<gap>[-./ ]?)[01]?\d(?P=gap)[0-3]?\d|[-\u2013/](?:19|20)\d\d)"
    r"|[0-3]?\d[-./][01]?\d[-./](?:19|20)?\d\d)(?![-./]?\d)"
)

_TIME: Final = re.compile(r"1\d{9}(?:\d{3})?")
_COUNTED: Final = re.compile(r"\b\d[ ,]\d[ ,]\d\b|\A(?:\d{1,2}00 )+\d{1,2}00\b")


def _national(found: re.Match[str], free: int) -> Span | None:
    text, start = found.string, found.start()
    if text[start - 1 : start] in ("(" * (")" in found[0]), "+") and start > free:
        start -= 1
    is_marked = text[start] in "0(+"
    if _DATE.match(found[0]) or _COUNTED.search(found[0]):
        return None
    if _TIME.fullmatch(found[0]):
        return None
    before = text[max(free, start - 48) : start]
    return (start, found.end()) if _follows_telephone_word(before, is_marked=is_marked) else None


def _follows_telephone_word(before: str, *, is_marked: bool) -> bool:
    """
    Return True if the words before a number say that it is a telephone number.

    A number with a typical beginning (`is_marked`: `0`, `(` or `+`) may have up to two
    other words between it and the word for a telephone.
    """
    if _UNSPACED_TELEPHONE_WORD.search(before) or (is_marked and _TELEPHONE_LETTER.search(before)):
        return True
    if not is_marked:
        before = before[max(map(before.rfind, "0123456789")) + 1 :]
    strangers = 0
    for word in reversed(re.findall(r"[^\W\d_]+", before.lower())[-8:]):
        if _TELEPHONE_WORD.fullmatch(word):
            return True
        strangers += not _FILLER_WORD.fullmatch(word)
        if strangers > 2 * is_marked:
            break
    return False


TELEPHONES: Final = (
    Kind(
        "telephone, international",
        "phone",
        rf"\+(?<![A-Za-z0-9_]\+)(?:1(?:{_GAPS}\d){{10}}|[2-9](?:{_GAPS}\d){{7,14}}){_EXTENSION}(?![A-Za-z0-9_])",
        in_digits=True,
        examples=("+49 (171) 123-4567", "+44 20 7946 0958", "+12025550143"),
        innocents=("+1 + 2", "a+42345678", "+1.4142135623731"),
    ),
    Kind(
        "telephone, international with zeros",
        "phone",
        rf"0(?<![A-Za-z0-9_./-]0)0[1-9](?:\d{{9,12}}|\d{{0,2}}(?!\d){_GAPS}\d(?:{_GAPS}\d){{5,11}})"
        rf"{_EXTENSION}(?![A-Za-z0-9_-])",
        in_digits=True,
        examples=("0049 30 1234567", "00493012345678"),
        innocents=("0012345678",),
    ),
    Kind(
        "telephone, North America",
        "phone",
        r"[\d(](?<![A-Za-z0-9_.-][\d(])"
        rf"(?:(?<=1){_GAP}(?:\(\d{{3}}\){_GAP}?|\d{{3}}{_GAP})|(?<=\()\d{{3}}\){_GAP}?"
        rf"|(?<=\d)\d\d{_GAP})"
        rf"\d{{3}}{_GAP}\d{{4}}{_EXTENSION}(?![A-Za-z0-9_-])",
        in_digits=True,
        examples=("415-555-2671", "(415) 555-2671", "1-800-555-1234", "555-123-4567 ext. 12"),
        innocents=("2024-01-02", "12-345-6789"),
    ),
    Kind(
        "telephone, national",
        "phone",
        rf"\d(?<!\d\d)(?<![A-Za-z0-9_/#$\u20ac\u00a3-]\d)(?<!\d[.,]\d)(?:{_GAPS}\d){{6,14}}{_EXTENSION}"
        r"(?![A-Za-z0-9_]|[.,:]\d)",
        in_digits=True,
        confirm=_national,
        examples=(
            "Tel: «020 7946 0958»",
            "call me on «07700 900123»",
            "Telefon «030 901820»",
            "mobile «0412 345 678»",
            "phone=«2125550187»",
            "phone,«0161 496 0000»,",
            "電話番号は«03-1234-5678»です",
            "手机«13812345678»",
            "T: «020 7946 0958»",
        ),
        innocents=(
            "call for papers 2024-2025",
            "function call 1700000000",
            "call me on 2024-09-15",
            "order 0171 2345678",
            "iPhone 14 128 256 512",
            "call stack 0 1 2 3 4 5 6 7",
            "callback(13577625587)",
            "mobile: 100 200 300 400 px",
            "020 7946 0958",
        ),
    ),
)
