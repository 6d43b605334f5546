"""
What may be said of things that may not be shown.

Of a key, a digest, keyed: a plain hash of a key that leaks elsewhere could be
looked for in our logs, this one cannot without the digest key. Of a crash,
its type and place: messages and local variables may quote keys and prompts.
"""

from __future__ import annotations

import hashlib
import secrets
import traceback
from typing import NewType

CallerDigest = NewType("CallerDigest", str)

_DIGEST_BYTES = 8


class Digester:
    """Digest secrets under one key; without a key given, one for the life of the process."""

    def __init__(self, key: str | None) -> None:
        material = secrets.token_bytes(32) if key is None else key.encode()
        self._key = hashlib.blake2b(material, digest_size=32).digest()

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
