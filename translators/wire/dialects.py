"""
The two dialects of the legacy wire, as traits in a table.

`2023-01-01`, and the absence of the header, which only clients older than the
header produce: cumulative, data-only frames and a `[DONE]`. `2023-06-01` and
whatever was published after it: named events with deltas, and no terminator
(legacy-wire 0 and 1.2; clients, rule 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from translators.errors import InvalidCompletionRequest

UPSTREAM_VERSION: Final = "2023-06-01"
"""What we say upstream: 2026-10-21 refuses every sampling parameter (messages-wire 0.1)."""

PUBLISHED_VERSIONS: Final = ("2023-01-01", "2023-06-01", "2026-10-21")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one version spells a completion."""

    version: str
    completion: str
    """One, to be filled in with values that are JSON; keys as recorded (legacy-wire 2.1)."""
    frame_start: bytes
    """What stands before the JSON of a stream frame."""
    is_cumulative: bool
    """Whether each frame repeats the whole text so far."""
    resolves_aliases: bool
    """Whether `model` in the answer is the full version of the alias asked for."""
    terminator: bytes
    """What follows the last frame of a stream that did not fail."""
    relays_pings: bool
    """Whether its clients survive an `event: ping` (clients, rule 3)."""
    ends_abruptly_on_failure: bool
    """Whether a failed stream has to break off for its clients to notice (clients, rule 4)."""


FRAME_END: Final = b"\r\n\r\n"

V1: Final = Dialect(
    version="2023-01-01",
    completion='{"completion":%(text)s,"stop":%(stop)s,"stop_reason":%(stop_reason)s,'
    '"truncated":false,"log_id":%(id)s,"model":%(model)s,"exception":null}',
    frame_start=b"data: ",
    is_cumulative=True,
    resolves_aliases=False,
    terminator=b"data: [DONE]" + FRAME_END,
    relays_pings=False,
    ends_abruptly_on_failure=True,
)

V2: Final = Dialect(
    version="2023-06-01",
    completion='{"type":"completion","id":%(id)s,"completion":%(text)s,'
    '"stop_reason":%(stop_reason)s,"model":%(model)s,"stop":%(stop)s,"log_id":%(id)s}',
    frame_start=b"event: completion\r\ndata: ",
    is_cumulative=False,
    resolves_aliases=True,
    terminator=b"",
    relays_pings=True,
    ends_abruptly_on_failure=False,
)

DIALECTS: Final[Mapping[str, Dialect]] = {
    version: V1 if version == V1.version else V2 for version in PUBLISHED_VERSIONS
}


def dialect_of(version: str | None) -> Dialect:
    """Find the dialect for an `anthropic-version` header (None: the client sent none)."""
    if version is None:
        return V1
    dialect = DIALECTS.get(version)
    if dialect is None:
        # Text as recorded, also for a header sent twice (legacy-wire 1.2).
        raise InvalidCompletionRequest(f'anthropic-version: "{version}" is not a valid version')
    return dialect
