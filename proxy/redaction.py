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
from typing import Final, NewType

CallerDigest = NewType("CallerDigest", str)
Redacted = NewType("Redacted", str)

_DIGEST_BYTES = 8

# Possessive and anchored, so that the time they take grows with the text and no faster, whatever
# the text is. A telephone number has a country code, or the shape of one in North America.
_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_PATTERNS: Final[Mapping[str, str]] = {
    "key": (
        r"\bsk-[A-Za-z0-9_-]{8,}+|\bholdover-[A-Za-z0-9_-]{20,}+"
        r"|(?i:\bbearer)[ \t]{1,8}[\w.~+/-]{8,}+=*+"
    ),
    "email": rf"(?<!{_LOCAL}){_LOCAL}++@[\w-]++(?:\.[\w-]++)+",
    "ip": (
        rf"(?<!\d)(?<!\d\.){_BYTE}(?:\.{_BYTE}){{3}}(?!\d|\.\d)"
        r"|(?<![\w:])(?=[0-9A-Fa-f]{0,4}:)(?=:*[0-9A-Fa-f])[0-9A-Fa-f:]{2,39}+(?!\w)"
    ),
    "card": r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])",
    "phone": (
        r"(?<!\w)\+\d(?:[ ().-]{0,2}\d){7,14}(?!\w)"
        r"|(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"
    ),
}
_CACHED: Final = 1024
_SHORT: Final = 256
_PIECE: Final = 16 * 1024
"""Characters: while an expression looks through a text, no other thread has its turn."""
_CUT: Final = re.compile(r"\n|(?i:(?<=[a-z])(?<!bearer) (?=[a-z]))")
"""Where none of our own patterns can match across."""
_LONG_ENOUGH: Final = 8
"""Less than that is no key; to take it out of a text would take the text apart."""


class Digester:
    """Digest secrets under one key; without a key given, one for the life of the process."""

    def __init__(self, key: str | None) -> None:
        material = secrets.token_bytes(32) if key is None else key.encode()
        self._key = hashlib.blake2b(material, digest_size=32).digest()

    def body(self, body: bytes) -> str:
        """What tells whether two bodies are the same."""
        return hashlib.blake2b(body, key=self._key, digest_size=2 * _DIGEST_BYTES).hexdigest()

    def caller(self, credential: bytes) -> CallerDigest:
        """What stands for the caller with this credential, everywhere."""
        digest = hashlib.blake2b(credential, key=self._key, digest_size=_DIGEST_BYTES)
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
        """Patterns by the word that stands in their place; `re.error` where one is none."""
        self._ours = [
            (re.compile(pattern), _IF.get(word, f"[{word}]")) for word, pattern in _PATTERNS.items()
        ]
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
        return Redacted("".join(map(self._redact_piece, _pieces(text, self._piece))))

    def _redact_piece(self, text: str) -> str:
        for pattern, instead in self._ours:
            text = pattern.sub(instead, text)
        return text


def _pieces(text: str, size: int) -> Iterator[str]:
    start = 0
    while len(text) - start > size and (cut := _CUT.search(text, start + size)):
        yield text[start : cut.end()]
        start = cut.end()
    yield text[start:]


def _card(found: re.Match[str]) -> str:
    """A number whose check digit is right (ISO/IEC 7812) is taken for a card's."""
    digits = [int(digit) for digit in found[0] if digit.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return "[card]" if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else found[0]


def _ip(found: re.Match[str]) -> str:
    """Hexadecimal and colons may be a time of day."""
    try:
        ipaddress.ip_address(found[0])
    except ValueError:
        return found[0]
    return "[ip]"


_IF: Final[Mapping[str, Callable[[re.Match[str]], str]]] = {"card": _card, "ip": _ip}
