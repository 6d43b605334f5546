"""
The admin token: whether a request has it, and what becomes of those that guess.

The right token always opens, whatever others have tried before: nobody can lock
its owner out. So what keeps it safe is its length. Wrong ones are answered 429
after some of a peer, or of all together, within a minute, and the connection
is closed: each costs a connection then, and no line of the log. Nothing waits,
and no more peers are remembered than there are wrong tries in a minute.

Who may send requests can try tokens as keys, too, since a misplaced one is
told: so a request has room for a few credentials, and not for a list of guesses.
"""

from __future__ import annotations

import hmac
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from pydantic import SecretStr
from starlette.types import Scope

from proxy.errors import MissingKey
from proxy.headers import Headers, bearer_token
from proxy.security.credentials import secrets_in

_WINDOW_SECONDS: Final = 60
_MAX_TRIES_OF_ONE: Final = 10
_MAX_TRIES_OF_ALL: Final = 100
_MAX_CREDENTIALS: Final = 12
"""In one request: a key and a token in two headers, joined with another of each, are as many."""


def peer_of(scope: Scope) -> str:
    """The address that a request comes from: that of a proxy, behind one."""
    host, _ = scope.get("client") or ("", 0)
    return host


class AdminToken:
    """What opens Holdover's pages to its operator, where there is one."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = token.get_secret_value().encode() if token else None

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return self._token is not None

    def opens(self, headers: Headers) -> bool:
        """Whether it is there as the one bearer token: of several, each would be a guess."""
        given = [value for name, value in headers if name == b"authorization"]
        return len(given) == 1 and self._is_among([bearer_token(given[0]) or b""])

    def is_in(self, headers: Headers) -> bool:
        """
        Whether it is there at all, in place of a key or beside one.

        Raises `MissingKey` where there are too many credentials to be looked at.
        """
        if self._token is None:
            return False
        given = {part for value in secrets_in(headers) for part in _parts(value)}
        if len(given) > _MAX_CREDENTIALS:
            raise MissingKey("This request has too many credentials: send one key as x-api-key.")
        return self._is_among(given)

    def _is_among(self, given: Iterable[bytes]) -> bool:
        assert self._token is not None
        # Each is compared, whatever the others are, so that the time it takes tells nothing.
        return True in [hmac.compare_digest(one, self._token) for one in given]


def _parts(value: bytes) -> list[bytes]:
    """A value, and what it may be the list of: a server in front of us joins headers by commas."""
    words = [word.strip(b",") for word in value.split()]
    return [value, *words, *value.replace(b",", b" ").split()]


class WrongTries:
    """How often the wrong token was given in this minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = -math.inf
        self._tries: Counter[str] = Counter()

    def add(self, peer: str) -> int | None:
        """Count one more; after too many, the seconds until they are forgotten."""
        now = self._clock()
        if now >= self._ends:
            self._ends = now + _WINDOW_SECONDS
            self._tries.clear()
        if self._tries[peer] >= _MAX_TRIES_OF_ONE or self._tries.total() >= _MAX_TRIES_OF_ALL:
            return math.ceil(self._ends - now)
        self._tries[peer] += 1
        return None
