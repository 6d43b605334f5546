"""
What may be said of things that may not be shown.

Of a key, a digest, keyed: a plain hash of a key that leaks elsewhere could be
looked for in our logs, this one cannot without the digest key. Of a crash,
its type and place: messages and local variables may quote keys and prompts.
Of what clients and upstreams say of themselves, what is left when keys and
people's data are taken out: records take it as `Redacted` only, so that a type
checker finds what a `Redactor` has not seen.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from string import hexdigits
from typing import Final, NamedTuple, NewType

import msgspec

CallerDigest = NewType("CallerDigest", str)
Redacted = NewType("Redacted", str)

_DIGEST_BYTES = 8

# Every expression begins with one character that is rare in prose, looks back from there, and has
# made up its mind within _REACH characters: so the time it takes grows with the text and no faster,
# whatever the text is. Escapes before a word (`\n`) are those of a prompt that itself holds JSON.
_SPACE = r" \u00a0\u2007\u2009\u202f"
_DASH = r"\-\u2010-\u2013"
_GAP = rf"[{_SPACE}{_DASH}./]"
_GAPS = rf"[{_SPACE}{_DASH}./()]{{0,3}}"
_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"


def _starting(what: str, *, not_after: str) -> str:
    return rf"{what}(?:(?<!{not_after}{what})|(?<=\\[nrt]{what}))"


_WORD = r"[^\W_]"
_KEYS = (
    _starting("sk-", not_after=_WORD) + "[A-Za-z0-9_-]{8,}+",
    _starting("holdover-", not_after=_WORD) + "[A-Za-z0-9_-]{20,}+",
    _starting("[bB]", not_after=_WORD) + r"(?i:earer)(?:[ \t]|%20){1,8}[\w.~+/-]{8,}+=*+",
)
_EMAIL = (
    r"[@\uff20\ufe6b%&\\](?:(?<=[@\uff20\ufe6b])|(?<=%)(?:25){0,3}40|(?<=\\)\\{0,7}(?:u00|x)40"
    r"|(?<=&)(?:#0{0,4}64|#[xX]0{0,4}40|commat);)"
    r"[\w-]{1,63}+(?:[.\uff0e][\w-]{1,63}+){1,8}+"
)
_BEFORE_AT = re.compile(rf'"[^"\n]{{1,64}}+"\\?|{_LOCAL}{{1,256}}+')
"""Backwards."""
_IPV6 = r":(?<!::)[0-9A-Fa-f:]{1,60}+(?:(?:\.\d{1,3}){3})?+(?![\w:])"
_IPV4 = r"\d(?<!\d\d)(?<!\d\.\d)\d{0,2}+(?:\.\d{1,3}+){3}(?!\d|\.\d)"
# A telephone number has a country code, or the shape of one in North America.
_EXTENSION = rf"(?:[{_SPACE}]?(?:x|ext\.?)[{_SPACE}]?\d{{1,6}})?"
_PHONES = (
    rf"\+(?<!\w\+)\d(?:{_GAPS}\d){{7,14}}{_EXTENSION}(?!\w)",
    _starting("0", not_after=r"[\w.-]")
    + rf"0[1-9](?:\d{{9,12}}|\d{{0,2}}(?!\d){_GAPS}\d(?:{_GAPS}\d){{5,11}}){_EXTENSION}(?![\w-])",
    _starting(r"[\d(]", not_after=r"[\w.-]")
    + rf"(?:(?<=1){_GAP}(?:\(\d{{3}}\){_GAP}?|\d{{3}}{_GAP})|(?<=\()\d{{3}}\){_GAP}?|\d\d{_GAP})"
    + rf"\d{{3}}{_GAP}\d{{4}}{_EXTENSION}(?![\w-])",
)
_CARD_GAP = rf"(?:[{_SPACE}]?[{_DASH}][{_SPACE}]?|[{_SPACE}]{{1,2}}|(?<=\d{{3}})\.(?=\d{{3}}))"
# Within a word only at one of its ends: digits amid letters are those of a digest.
_CARD = (
    r"\d(?<!\d\d)(?=(?P<rest>\d{12,18}+(?!\w)|(?<!\w\d)\d{12,18}+(?!\d)"
    rf"|\d{{2,7}}+(?:{_CARD_GAP}\d{{3,8}}+(?!\d)){{1,5}}+))"
)
_CARD_IN_BITS = (
    rf"\d(?<!\d\d)(?<!\d[{_SPACE}{_DASH}]\d)"
    rf"(?:(?:{_CARD_GAP}\d){{12,18}}+|\d(?:{_CARD_GAP}\d\d){{6,8}}+)(?!{_CARD_GAP}?\d)"
)
_DIGITS = re.compile(r"\d+")
_HEX_AFTER = re.compile(r"[A-Fa-f](?:[0-9A-Fa-f]|\b)|-[0-9a-f]{4}\b")
_HEX_BEFORE = re.compile(r"[0-9][A-Za-z]+-?\Z|[A-Za-z][0-9]+-\Z|[A-Za-z][0-9]*[A-Za-z][0-9]+\Z")
_CARD_NUMBER = re.compile(r"(?=[2-6]|81|9792)\d{13,19}")
"""Times in milliseconds and the numbers of books begin in other ways."""
_DOUBLED = str.maketrans("0123456789", "0246813579")
"""The sum of the digits of its double."""

_CACHED: Final = 1024
_SHORT: Final = 256
_PIECE: Final = 16 * 1024
"""Characters: while an expression looks through a text, no other thread has its turn."""
_REACH: Final = 1024
"""Characters in which each of our own patterns is known to match, or not to."""
_LONG_ENOUGH: Final = 8
"""Less than that is no key; to take it out of a text would take the text apart."""


class Unshown(msgspec.Struct, frozen=True):
    """A value with a secret in it: nobody is shown more than what kind it is of."""

    def __repr__(self) -> str:
        """For logs and tracebacks."""
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """For those tracebacks that show values, too."""
        return []


class Digester:
    """Digest secrets under one key; without a key given, one for the life of the process."""

    def __init__(self, key: str | None) -> None:
        material = secrets.token_bytes(32) if key is None else key.encode()
        self._key = hashlib.blake2b(material, digest_size=32).digest()
        # Taking in the key is most of the work, and always the same.
        self._begun = hashlib.blake2b(key=self._key, digest_size=_DIGEST_BYTES)

    def body(self, body: bytes) -> str:
        """What tells whether two bodies are the same."""
        return hashlib.blake2b(body, key=self._key, digest_size=2 * _DIGEST_BYTES).hexdigest()

    def caller(self, credential: bytes) -> CallerDigest:
        """What stands for the caller with this credential, everywhere."""
        digest = self._begun.copy()
        digest.update(credential)
        return CallerDigest(digest.hexdigest())


def describe_crash(crash: BaseException) -> dict[str, object]:
    """The type of an exception and where it came from, as the fields of a log line."""
    frames = traceback.extract_tb(crash.__traceback__)
    return {
        "error": type(crash).__qualname__,
        "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


class Redactor:
    """Takes out keys, e-mail addresses, telephone and card numbers, IPs, and what else is given."""

    def __init__(self, patterns: Mapping[str, str] | None = None, *, piece: int = _PIECE) -> None:
        """
        Patterns by the word that stands in their place; `re.error` where one is none.

        Each of them looks through a whole text in one go, which no other thread interrupts.
        """
        self._given = [
            (re.compile(pattern), f"[{word}]") for word, pattern in (patterns or {}).items()
        ]
        self._piece = piece
        # Names of programs and models come again with every request.
        self._short = lru_cache(_CACHED)(self._redact)

    def text(self, text: str) -> Redacted:
        """The same without what may not be kept."""
        return self._short(text) if len(text) <= _SHORT else self._redact(text)

    def hiding(self, secrets: Iterable[str]) -> Callable[[str], Redacted]:
        """The same, also without these secrets, whatever they look like."""
        hidden = sorted({one for one in secrets if len(one) >= _LONG_ENOUGH}, key=len, reverse=True)

        def hide(text: str) -> Redacted:
            for secret in hidden:
                text = text.replace(secret, "[key]")
            return self.text(text)

        return hide

    def _redact(self, text: str) -> Redacted:
        # Who gave a pattern may mean it to match across anything.
        for pattern, instead in self._given:
            text = pattern.sub(instead, text)
        for kind in _KINDS:
            text = _without(kind, text, self._piece)
        return Redacted(text)


_Span = tuple[int, int]


class _Kind(NamedTuple):
    """What is looked for, and where it lies if what was found is one: from `free` on at most."""

    instead: str
    pattern: re.Pattern[str]
    span: Callable[[re.Match[str], int], _Span | None]


def _without(kind: _Kind, text: str, size: int) -> str:
    kept: list[str] = []
    free = 0
    for found in _found(kind.pattern, text, size):
        if found.start() >= free and (span := kind.span(found, free)):
            kept += text[free : span[0]], kind.instead
            free = span[1]
    return "".join((*kept, text[free:]))


def _found(pattern: re.Pattern[str], text: str, size: int) -> Iterator[re.Match[str]]:
    """As `finditer`, in pieces: what begins in one may end in the next."""
    start = 0
    while start < len(text):
        stop = start + size
        start = stop
        for found in pattern.finditer(text, stop - size, stop + _REACH):
            if found.start() >= stop:
                break
            if found.end() == stop + _REACH:  # only a key is as long, and begins as a key
                found = pattern.match(text, found.start()) or found  # noqa: PLW2901
            yield found
            start = max(stop, found.end())


def _all(found: re.Match[str], _: int) -> _Span:
    return found.span()


def _email(found: re.Match[str], free: int) -> _Span | None:
    at = found.start()
    before = _BEFORE_AT.match(found.string[max(free, at - 256) : at][::-1])
    return (at - before.end(), found.end()) if before else None


_COLONS: Final = 6


def _ipv6(found: re.Match[str], free: int) -> _Span | None:
    """Hexadecimal and colons may be a time of day, or a label and an address."""
    text, (colon, end) = found.string, found.span()
    if "::" not in found[0] and found[0].count(":") < _COLONS:
        return None
    start = colon
    while start > max(free, colon - 4) and text[start - 1] in hexdigits:
        start -= 1
    before = text[start - 1 : start]
    if before == ":":  # in the midst of a longer row
        return None
    starts = [colon + 1] if before.isalnum() or before in ("_", ".") else [start, colon + 1]
    ends = [end, end - 1] if text[end - 1] == ":" else [end]
    return next((span for span in product(starts, ends) if _is_ip(text[slice(*span)])), None)


def _ipv4(found: re.Match[str], _: int) -> _Span | None:
    return found.span() if _is_ip(found[0]) else None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text != "::"


def _card(found: re.Match[str], _: int) -> _Span | None:
    """Whole groups of digits from here on, the more the better, that are a card's number."""
    groups = list(_DIGITS.finditer(found.string, found.start(), found.end("rest")))
    while groups:
        if _is_in_hex(found.string, found.start(), groups[-1].end()):
            groups.pop()
            continue
        if _is_card("".join(group[0] for group in groups)):
            return found.start(), groups[-1].end()
        groups.pop()
    return None


def _is_in_hex(text: str, start: int, end: int) -> bool:
    """Whether these digits are a part of a digest or a UUID: letters and digits without a gap."""
    return bool(_HEX_AFTER.match(text, end)) or bool(
        _HEX_BEFORE.search(text[max(start - 8, 0) : start])
    )


def _card_in_bits(found: re.Match[str], _: int) -> _Span | None:
    return found.span() if _is_card("".join(_DIGITS.findall(found[0]))) else None


def _is_card(number: str) -> bool:
    """As long as one, and with the right check digit (ISO/IEC 7812)."""
    plain = number if number.isascii() else "".join(str(int(digit)) for digit in number)
    if not _CARD_NUMBER.fullmatch(plain):
        return False
    return sum(map(int, plain[-1::-2] + plain[-2::-2].translate(_DOUBLED))) % 10 == 0


_KINDS: Final = (
    *(_Kind("[key]", re.compile(pattern), _all) for pattern in _KEYS),
    _Kind("[email]", re.compile(_EMAIL), _email),
    _Kind("[ip]", re.compile(_IPV6), _ipv6),
    _Kind("[ip]", re.compile(_IPV4), _ipv4),
    *(_Kind("[phone]", re.compile(pattern), _all) for pattern in _PHONES),
    _Kind("[card]", re.compile(_CARD), _card),
    _Kind("[card]", re.compile(_CARD_IN_BITS), _card_in_bits),
)
"""In this order: a telephone number may be a part of what could be a card's."""
