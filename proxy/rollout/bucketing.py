"""
Buckets assign callers, users or prompts to a rule's share of the traffic.

A bucket is a hash of the rule's name and of the attribute that the share is
dealt by, and of nothing else. So no process, machine, restart or other rule
changes it, and a caller in a share stays in it when the share is raised.
"""

from __future__ import annotations

import hashlib

from proxy.rollout.rule_schema import BASIS_POINTS
from translators import STEP_SIZE, Steps


def bucket(rule: str, identity: bytes) -> int:
    """Return a bucket from 0 to 9,999; buckets below a share's basis points are in the share."""
    return _number(_hash(rule, identity))


def bucket_in_steps(rule: str, identity: str) -> Steps[int]:
    """Return the `bucket` of a long identity, hashed in steps."""
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
    """Convert a share in percent to a number of buckets."""
    return round(percent * (BASIS_POINTS // 100))
