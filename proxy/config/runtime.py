"""
What an exchange goes by, from its first byte to its last: one frozen value.

A change of the settings makes a new one; exchanges that have begun keep
theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.rollout import Rollout
from proxy.security.keyring import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """Rules; upstreams, and the keys that they are asked with."""

    rollout: Rollout
    keyring: Keyring
