"""The log of the last thousand requests, served at `/simulator/requests`."""

from __future__ import annotations

import enum
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

_MAX_REQUESTS: Final = 1_000
_MAX_BODY_BYTES: Final = 262_144
_EXCERPT_BYTES: Final = 1_000


class Outcome(enum.Enum):
    RUNNING = "running"
    FINISHED = "finished"
    CLIENT_DISCONNECTED = "client-disconnected"
    BROKEN_OFF = "broken-off"  # by this simulator, on purpose


@dataclass(slots=True, kw_only=True)
class LoggedRequest:
    """A request in the log, completed while it is answered."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    raw: bytes = b""
    body_bytes: int = 0
    status: int | None = None
    outcome: Outcome = Outcome.RUNNING
    events_sent: int = 0

    def keep_body(self, body: bytes) -> None:
        """Keep a body up to 256 KiB, and only the beginning of a longer one, to bound memory."""
        self.body_bytes = len(body)
        is_long = len(body) > _MAX_BODY_BYTES
        self.raw = body[:_EXCERPT_BYTES] if is_long else body

    def describe(self) -> dict[str, object]:
        """Return the entry as the log page shows it; `body` is null unless it is valid JSON."""
        body: object = None
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = msgspec.json.decode(self.raw)
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "body": body,
            "raw": self.raw.decode(errors="replace"),
            "body_bytes": self.body_bytes,
            "status": self.status,
            "outcome": self.outcome.value,
            "events_sent": self.events_sent,
        }


class RequestLog:
    """The last thousand requests, in order of arrival."""

    def __init__(self) -> None:
        self._received: deque[LoggedRequest] = deque(maxlen=_MAX_REQUESTS)

    def add(self, received: LoggedRequest) -> None:
        self._received.append(received)

    def clear(self) -> None:
        self._received.clear()

    def describe(self) -> list[dict[str, object]]:
        return [received.describe() for received in self._received]
