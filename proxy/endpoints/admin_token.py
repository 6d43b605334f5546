"""
The admin token: recognise it, and slow down those who guess.

The right token always works, however many wrong ones came before, so that
nobody can lock the operator out; its length keeps it safe. After some wrong
tokens from one peer or from all together within a minute, further ones get
429, and their connection is closed: each guess then costs a connection, and
writes no log line. Nothing waits, and the number of peers in memory is at most
the number of wrong tokens in a minute.

Clients can also try tokens in place of API keys, because the answer to a
misplaced token says so. That is why a request may carry only a few
credentials, not a list of guesses.
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
_MAX_WRONG_PER_PEER: Final = 10
_MAX_WRONG: Final = 100
_MAX_CREDENTIALS: Final = 12
"""Limit for one request; a key and a token in two headers, each joined with another, make 12."""


def peer_address(scope: Scope) -> str:
    """Return the address of the connection's peer, which may be a proxy in front of us."""
    host, _ = scope.get("client") or ("", 0)
    return host


class AdminToken:
    """The operator's token for Holdover's own pages, if one is set."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = token.get_secret_value().encode() if token else None

    @property
    def exists(self) -> bool:
        """True if a token is set."""
        return self._token is not None

    def opens(self, headers: Headers) -> bool:
        """Return True if the token is the only bearer token; several would be several guesses."""
        given = [value for name, value in headers if name == b"authorization"]
        return len(given) == 1 and self._is_among([bearer_token(given[0]) or b""])

    def is_in(self, headers: Headers) -> bool:
        """
        Return True if the token is anywhere among the credentials of a request.

        Raises `MissingKey` if the request has too many credentials to check.
        """
        if self._token is None:
            return False
        given: set[bytes] = set()
        for value in secrets_in(headers):
            # Servers in front of us may join headers with commas.
            words = [word.strip(b",") for word in value.split()]
            given.update((value, *words, *value.replace(b",", b" ").split()))
        if len(given) > _MAX_CREDENTIALS:
            raise MissingKey("This request has too many credentials: send one key as x-api-key.")
        return self._is_among(given)

    def _is_among(self, given: Iterable[bytes]) -> bool:
        assert self._token is not None
        # Compare all of them, so that the time taken does not depend on which one matches.
        return True in [hmac.compare_digest(one, self._token) for one in given]


class WrongTokenLimiter:
    """Counts wrong admin tokens within a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = -math.inf
        self._tries: Counter[str] = Counter()

    def add(self, peer: str) -> int | None:
        """Count a wrong token; return seconds to wait if there were too many in this minute."""
        now = self._clock()
        if now >= self._ends:
            self._ends = now + _WINDOW_SECONDS
            self._tries.clear()
        if self._tries[peer] >= _MAX_WRONG_PER_PEER or self._tries.total() >= _MAX_WRONG:
            return math.ceil(self._ends - now)
        self._tries[peer] += 1
        return None
