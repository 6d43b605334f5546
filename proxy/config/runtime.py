"""
Immutable configuration of an exchange, from its first byte to its last.

A reload builds a new value; running exchanges keep the old one.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.rollout import Rollout
from proxy.security.keyring import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """The rules, and the upstreams with their keys."""

    rollout: Rollout
    keyring: Keyring
