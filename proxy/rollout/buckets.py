"""
Which share of the traffic somebody belongs to.

A bucket is a hash of the rule's name and of whatever the share goes by,
nothing else: no process, machine, restart or other rule moves anybody, and
who is in a share stays in it when it is raised.
"""

from __future__ import annotations

import hashlib

from proxy.rules import BASIS_POINTS


def bucket(rule: str, identity: bytes) -> int:
    """0 to 9,999, evenly; those below a share's basis points are in it."""
    digest = hashlib.blake2b(identity, key=rule.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % BASIS_POINTS


def basis_points(percent: float) -> int:
    """A share as a number of buckets."""
    return round(percent * (BASIS_POINTS // 100))
