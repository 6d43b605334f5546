"""
Immutable configuration of an exchange, from its first byte to its last.

A reload builds a new value; running exchanges keep the old one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.rollout import Rollout, retirement_warnings
from proxy.security.keyring import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """The rules, and the upstreams with their keys."""

    rollout: Rollout
    keyring: Keyring

    def warnings(self, today: str) -> Iterator[str]:
        """Yield what is unwise: about keys, and about models that end soon."""
        yield from self.keyring.warnings
        yield from retirement_warnings(self.rollout, today)
