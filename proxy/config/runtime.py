"""
Immutable configuration of an exchange, from its first byte to its last.

A reload builds a new value; running exchanges keep the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from proxy.rollout import Rollout, retirement_warnings
from proxy.security.keyring import Keyring


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeReceiver:
    """Where notices are sent, and what they are signed with."""

    origin: str
    """Scheme, host and port of its URL."""
    target: bytes = field(repr=False)
    """Path and query of its URL, which may be all that keeps strangers out."""
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """The rules, the upstreams with their keys, and who gets notices."""

    rollout: Rollout
    keyring: Keyring
    weights: Mapping[str | None, float] = field(default_factory=dict)
    """Turns that named callers get for each turn of others while requests wait, if not one."""
    receiver: NoticeReceiver | None = None
    """The webhook that notices are sent to; None if there is none."""

    def warnings(self, today: str) -> Iterator[str]:
        """Yield what is unwise: about keys, and about models that end soon."""
        yield from self.keyring.warnings
        yield from retirement_warnings(self.rollout, today)
