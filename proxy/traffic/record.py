"""Records of exchanges and of their shadows; their fields are those of the log lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from proxy.errors import Blame
from proxy.outcome import Outcome
from proxy.security.redaction import CallerDigest, Redacted


class MadeAdjustment(msgspec.Struct, frozen=True):
    """An adjustment of a request: the value the client asked for and the one sent instead."""

    kind: str
    field: Redacted
    asked: Redacted
    sent: Redacted


class TrafficRecord(msgspec.Struct, frozen=True, kw_only=True, tag="exchange"):
    """
    Record of an exchange, without keys and prompt text; times are milliseconds from its start.

    Texts from clients and upstreams (`Redacted`) are free of keys and personal data.
    """

    id: str
    request_id: str
    """The upstream's id of the request, else ours; also sent as the `request-id` header."""
    received: str
    """Arrival of the request's head: ISO 8601, UTC."""
    path: Redacted

    caller: CallerDigest | None
    """Digest of the key that the client sent."""
    caller_name: str | None
    """Name of the caller, if the settings list one for its key."""
    key: CallerDigest | None
    """Digest of the key that was sent to the upstream."""
    user_agent: Redacted | None
    sdk: Redacted | None
    version: Redacted | None
    """The client's `anthropic-version` header."""
    dialect: str | None
    streamed: bool
    features: tuple[str, ...]
    """Features of the legacy API that the request uses, named by `translators.features_of`."""
    turns: int | None
    prompt_characters: int | None
    max_tokens: int | None
    """Requested value, like the four below; None if it is missing or not readable."""
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stops: int | None
    """Number of stop sequences."""

    route: str | None
    """`translate`, `forward` or `refuse`: the leg that answered, or failed last."""
    rule: str | None
    """The rollout rule that decided; None if no rule matched."""
    why: str | None
    """Basis of the decision: a rule, the override, a sunset, a brown-out, or the default."""
    first_failure: Redacted | None
    """Reason why the first leg failed, if a second one was tried."""

    asked_model: Redacted | None
    sent_model: Redacted | None
    answered_model: Redacted | None
    adjustments: tuple[MadeAdjustment, ...]

    status: int | None
    """HTTP status sent to the client; None if it disconnected before."""
    stop_reason: str | None
    upstream_stop_reason: str | None
    error_type: str | None
    failure: str | None
    """Our description of what went wrong; contains no text of an upstream or a client."""
    blame: Blame
    """The party at fault for a failure, even if the client had disconnected by then."""
    client_gone: bool
    outcome: Outcome

    input_tokens: float | None
    output_tokens: float | None
    request_bytes: int
    reply_bytes: int
    upstream_ms: float | None
    """Time until the head of the relayed upstream response arrived."""
    first_token_ms: float | None
    """Time until the first text was available; None for forwarded responses."""
    first_byte_ms: float | None
    total_ms: float

    def as_fields(self) -> dict[str, object]:
        """Return the fields of the exchange's log line."""
        fields: dict[str, object] = msgspec.structs.asdict(self)
        fields["blame"] = self.blame.value
        fields["outcome"] = self.outcome.value
        fields["adjustments"] = [msgspec.structs.asdict(made) for made in self.adjustments]
        return fields


class ShadowRecord(msgspec.Struct, frozen=True, kw_only=True, tag="shadow"):
    """The result of a shadow or a control request of one exchange."""

    id: str
    """Id of the exchange."""
    ended: str
    """End of the shadow: ISO 8601, UTC."""
    rule: str
    leg: str
    """`shadow`, or `control` if the client's own request was repeated."""
    failure: str | None
    """Reason why there is nothing to compare; None if there is a comparison."""
    comparison: Mapping[str, object] | None
    """The fields of a `Comparison`."""


GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "exchange": ("id", "request_id", "received"),
    "who": ("caller_name", "caller", "key", "user_agent", "sdk"),
    "asked": (
        *("path", "version", "dialect", "streamed", "asked_model", "features", "turns"),
        *("prompt_characters", "max_tokens", "temperature", "top_p", "top_k", "stops"),
        "request_bytes",
    ),
    "decided": ("route", "rule", "why", "first_failure"),
    "sent": ("sent_model",),
    "answered": (
        *("status", "answered_model", "stop_reason", "upstream_stop_reason", "error_type"),
        *("failure", "outcome", "blame", "client_gone", "input_tokens", "output_tokens"),
        "reply_bytes",
    ),
    "times": ("upstream_ms", "first_token_ms", "first_byte_ms", "total_ms"),
}
"""Every field of a record but its adjustments, by section; a test keeps them complete."""
