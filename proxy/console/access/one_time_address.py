"""An address that opens the console once, for whoever sees the terminal in which it runs."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from proxy.console.access.targets import ENTER


def _new_secret() -> str:
    return secrets.token_urlsafe(24)


@dataclass(slots=True, kw_only=True)
class OneTimeAddress:
    """An address that opens the console once; then there is another one."""

    base: str
    """Address of the console, without a slash at its end."""
    announce: Callable[[str], None] = lambda _: None
    """Shows the next address to whom it is for. It must not go into a log: others read those."""
    secret: str = field(default_factory=_new_secret, repr=False)

    def __str__(self) -> str:
        """Return the address."""
        return f"{self.base}{ENTER}?once={self.secret}"

    def take(self, given: str) -> bool:
        """Return True if this is the secret, which then is used up; announce the next one."""
        if not secrets.compare_digest(given.encode(errors="replace"), self.secret.encode()):
            return False
        self.secret = _new_secret()
        with suppress(OSError):  # the terminal has been closed
            self.announce(str(self))
        return True
