"""
Safe descriptions of keys, crashes and texts for logs and records.

* A key becomes a keyed digest. With a plain hash, anyone with a list of leaked keys could
  look for them in our logs; with a keyed one, that takes the digest key.
* A crash becomes its type and place, because messages and local variables may
  quote keys and prompts.
* A text from a client or an upstream loses keys and personal data. Records accept
  only `Redacted` texts, so that the type checker finds texts that no `Redactor` has seen.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NewType, TypeAlias

import msgspec

if TYPE_CHECKING:
    from proxy.security.sensitive import Finder

CallerDigest = NewType("CallerDigest", str)
Redacted = NewType("Redacted", str)
Hide: TypeAlias = Callable[[str], Redacted]

_DIGEST_BYTES = 8
CALLER_DIGEST: Final = re.compile(f"[0-9a-f]{{{2 * _DIGEST_BYTES}}}")
"""The spelling of a `CallerDigest`."""
_CACHE_SIZE: Final = 1024
_MAX_CACHED_LENGTH: Final = 256
_PIECE_LENGTH: Final = 16 * 1024
"""Characters searched at once: a regular expression keeps all other threads waiting."""
_MIN_SECRET_LENGTH: Final = 8
"""Minimum length of a secret: replacing shorter strings would garble the text."""
_MAX_REDACTED_LENGTH: Final = 4096
"""Characters of a text that are redacted before it is shortened."""
_LAST_WORDS: Final = re.compile(r"\S*+(?:\s++[^\s\d]*+\d\S*+)*+")
"""Matches a reversed text: its last word, and the words with digits directly before it."""
_CUT_REPLACEMENT: Final = re.compile(r"\[[\w-]*\Z")


class HiddenRepr(msgspec.Struct, frozen=True):
    """A value with a secret in it, whose `repr` shows only its type."""

    def __repr__(self) -> str:
        """Return the type alone, for logs and tracebacks."""
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """Return no fields, because Rich's tracebacks show local variables."""
        return []


class Digester:
    """Digests secrets under one key; if none is given, under a random key of this process."""

    def __init__(self, key: str | None) -> None:
        material = secrets.token_bytes(32) if key is None else key.encode()
        self._key = hashlib.blake2b(material, digest_size=32).digest()
        # Hashing the key is most of the work, so it is done once and copied.
        self._keyed_hash = hashlib.blake2b(key=self._key, digest_size=_DIGEST_BYTES)

    def body(self, body: bytes) -> str:
        """Return a hex digest that is equal for equal bodies."""
        return hashlib.blake2b(body, key=self._key, digest_size=2 * _DIGEST_BYTES).hexdigest()

    def caller(self, credential: bytes) -> CallerDigest:
        """Return the digest that identifies a credential's caller in logs and records."""
        digest = self._keyed_hash.copy()
        digest.update(credential)
        return CallerDigest(digest.hexdigest())


def describe_crash(crash: BaseException) -> dict[str, object]:
    """Return the type of an exception and its stack frames, as fields of a log line."""
    frames = traceback.extract_tb(crash.__traceback__)
    return {
        "error": type(crash).__qualname__,
        "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


@cache
def _finder(piece: int) -> Finder:
    """Return what finds the built-in kinds, which takes a while to make and knows no texts."""
    from proxy.security.sensitive import KINDS, Finder  # noqa: PLC0415 - hundreds of patterns

    return Finder(KINDS, piece=piece)


class Redactor:
    """Replaces secrets in texts: the built-in kinds, and the operator's own patterns."""

    def __init__(
        self, patterns: Mapping[str, str] | None = None, *, piece: int = _PIECE_LENGTH
    ) -> None:
        """
        Compile the operator's patterns; the keys of `patterns` are the words that replace matches.

        Raises `re.error` for an invalid pattern. Each pattern searches a whole text at once,
        during which no other thread runs.
        """
        self._given = [
            (re.compile(pattern), f"[{word}]") for word, pattern in (patterns or {}).items()
        ]
        self._finder = _finder(piece)
        # Names of programs and models occur in every request.
        self._short = lru_cache(_CACHE_SIZE)(self._redact)

    def text(self, text: str) -> Redacted:
        """Return a text with its secrets replaced."""
        return self._short(text) if len(text) <= _MAX_CACHED_LENGTH else self._redact(text)

    def hiding(self, secrets: Iterable[str]) -> Hide:
        """Return a function that redacts texts and also replaces the given secrets."""
        hidden = sorted(
            {one for one in secrets if len(one) >= _MIN_SECRET_LENGTH}, key=len, reverse=True
        )

        def hide(text: str) -> Redacted:
            for secret in hidden:
                text = text.replace(secret, "[key]")
            return self.text(text)

        return hide

    def _redact(self, text: str) -> Redacted:
        # Operators' patterns come first, because they may span what the table would replace.
        for pattern, instead in self._given:
            text = pattern.sub(instead, text)
        return Redacted(self._finder.without(text))


def in_brief(text: str, hide: Hide, most: int) -> Redacted:
    """
    Return at most `most` characters of a text, redacted.

    The text is redacted before it is cut, because no pattern matches half a key.
    It is never cut within a replacement such as `[key]`.
    """
    hidden = hide(whole_words(text))
    if len(hidden) <= most:
        return hidden
    return Redacted(_CUT_REPLACEMENT.sub("", hidden[:most]))


def whole_words(text: str) -> str:
    """
    Return the beginning of a text, cut where no secret can be split.

    The last word, and words with digits directly before it, may continue beyond the
    cut (as parts of a key or a telephone number), so they are dropped.
    """
    if len(text) <= _MAX_REDACTED_LENGTH:
        return text
    beginning = text[:_MAX_REDACTED_LENGTH]
    last = _LAST_WORDS.match(beginning[::-1])
    return beginning[: len(beginning) - (last.end() if last else 0)] + "..."
