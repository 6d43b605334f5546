"""
The two dialects of the legacy API, which `anthropic-version` selects.

`2023-01-01`, or no header (clients older than the header): cumulative frames
without event names, and a final `[DONE]`. `2023-06-01` and later versions:
named events with deltas, and no terminator (legacy-wire 0 and 1.2; clients,
rule 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from translators.errors import InvalidCompletionRequest

UPSTREAM_VERSION: Final = "2023-06-01"
"""The version sent upstream: 2026-10-21 refuses all sampling parameters (messages-wire 0.1)."""

PUBLISHED_VERSIONS: Final = ("2023-01-01", "2023-06-01", "2026-10-21")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The differences between the dialects of completions and streams."""

    version: str
    completion: str
    """Template of a completion; its values are JSON, its keys as recorded (legacy-wire 2.1)."""
    frame_start: bytes
    """Bytes before the JSON of a stream frame."""
    is_cumulative: bool
    """True if each frame repeats the whole text so far."""
    resolves_aliases: bool
    """True if `model` in the answer is the full version of the requested alias."""
    terminator: bytes
    """Bytes after the last frame of a stream that did not fail."""
    relays_pings: bool
    """True if clients accept an `event: ping` (clients, rule 3)."""
    ends_abruptly_on_failure: bool
    """True if clients notice a failed stream only by a broken connection (clients, rule 4)."""


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
    """
    Return the dialect for an `anthropic-version` header, or for None if there was no header.

    Raises `InvalidCompletionRequest` for a version that was never published.
    """
    if version is None:
        return V1
    dialect = DIALECTS.get(version)
    if dialect is None:
        # The text was recorded, also for a header that is sent twice (legacy-wire 1.2).
        raise InvalidCompletionRequest(f'anthropic-version: "{version}" is not a valid version')
    return dialect
