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
import re
import secrets
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, NewType, TypeAlias

import msgspec

from proxy.security.sensitive import KINDS, Finder

CallerDigest = NewType("CallerDigest", str)
Redacted = NewType("Redacted", str)
Hide: TypeAlias = Callable[[str], Redacted]

_DIGEST_BYTES = 8
_CACHED: Final = 1024
_SHORT: Final = 256
_PIECE: Final = 16 * 1024
"""Characters: while an expression looks through a text, no other thread has its turn."""
_LONG_ENOUGH: Final = 8
"""Less than that is no key; to take it out of a text would take the text apart."""
_LOOKED_AT: Final = 4096
"""Characters of a word, of which a few are kept."""
_LAST_WORDS: Final = re.compile(r"\S*+(?:\s++[^\s\d]*+\d\S*+)*+")
"""Backwards: the last, and those with digits before it."""
_HALF_A_WORD: Final = re.compile(r"\[[\w-]*\Z")


class HiddenRepr(msgspec.Struct, frozen=True):
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
    """Takes out of texts what the table of sensitive kinds finds, and what else is given."""

    def __init__(self, patterns: Mapping[str, str] | None = None, *, piece: int = _PIECE) -> None:
        """
        Patterns by the word that stands in their place; `re.error` where one is none.

        Each of them looks through a whole text in one go, which no other thread interrupts.
        """
        self._given = [
            (re.compile(pattern), f"[{word}]") for word, pattern in (patterns or {}).items()
        ]
        self._finder = Finder(KINDS, piece=piece)
        # Names of programs and models come again with every request.
        self._short = lru_cache(_CACHED)(self._redact)

    def text(self, text: str) -> Redacted:
        """A text without what may not be kept."""
        return self._short(text) if len(text) <= _SHORT else self._redact(text)

    def hiding(self, secrets: Iterable[str]) -> Hide:
        """A way to redact that hides these secrets as well, whatever they look like."""
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
        return Redacted(self._finder.without(text))


def in_brief(text: str, hide: Hide, most: int) -> Redacted:
    """
    So many characters of a text at most, as it may be kept.

    It is cut after it is redacted, because half a key looks like none, and not
    in the midst of a word that stands in the place of something.
    """
    hidden = hide(whole_words(text))
    if len(hidden) <= most:
        return hidden
    return Redacted(_HALF_A_WORD.sub("", hidden[:most]))


def whole_words(text: str) -> str:
    """As much of a text as is looked at, and nothing that the rest of it may be a part of."""
    if len(text) <= _LOOKED_AT:
        return text
    beginning = text[:_LOOKED_AT]
    last = _LAST_WORDS.match(beginning[::-1])
    return beginning[: len(beginning) - (last.end() if last else 0)] + "..."
