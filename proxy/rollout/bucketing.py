"""
Which share of the traffic somebody belongs to.

A bucket is a hash of the rule's name and of whatever the share goes by,
nothing else: no process, machine, restart or other rule moves anybody, and
who is in a share stays in it when it is raised.
"""

from __future__ import annotations

import hashlib

from proxy.rollout.rule_schema import BASIS_POINTS
from translators import STEP_SIZE, Steps


def bucket(rule: str, identity: bytes) -> int:
    """0 to 9,999, evenly; those below a share's basis points are in it."""
    return _number(_hash(rule, identity))


def bucket_in_steps(rule: str, identity: str) -> Steps[int]:
    """The `bucket` of a long identity, found in steps."""
    digest = _hash(rule)
    for start in range(0, len(identity), STEP_SIZE):
        digest.update(identity[start : start + STEP_SIZE].encode())
        yield
    return _number(digest)


def _hash(rule: str, identity: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(identity, key=rule.encode(), digest_size=8)


def _number(digest: hashlib.blake2b) -> int:
    return int.from_bytes(digest.digest()) % BASIS_POINTS


def basis_points(percent: float) -> int:
    """A share as a number of buckets."""
    return round(percent * (BASIS_POINTS // 100))
