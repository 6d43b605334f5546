"""
Keys in, digests out: how a caller is known without its key being kept.

The digest is keyed. A plain hash of a key that leaks elsewhere could be looked
for in our logs; this one cannot without the digest key.
"""

from __future__ import annotations

import hashlib
import secrets
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
