"""What is kept of one exchange, and of its shadows: the fields of the log lines."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from proxy.errors import Blame
from proxy.outcome import Outcome
from proxy.security.redaction import CallerDigest, Redacted


class MadeAdjustment(msgspec.Struct, frozen=True):
    """One adjustment: what was asked, and what was sent instead."""

    kind: str
    field: Redacted
    asked: Redacted
    sent: Redacted


class TrafficRecord(msgspec.Struct, frozen=True, kw_only=True, tag="exchange"):
    """
    One exchange. No keys and no prompt text; times in milliseconds from its first byte.

    What clients and upstreams say of themselves is here without keys and
    people's data.
    """

    id: str
    request_id: str
    """Of upstream, if it gave one; else ours. Also in the `request-id` response header."""
    received: str
    """When its head was there: ISO 8601, UTC."""
    path: Redacted

    caller: CallerDigest | None
    """Digest of the key that the client sent."""
    caller_name: str | None
    """From the settings' list of callers."""
    key: CallerDigest | None
    """Digest of the key that upstream was asked with."""
    user_agent: Redacted | None
    sdk: Redacted | None
    version: Redacted | None
    """`anthropic-version` as the client sent it."""
    dialect: str | None
    streamed: bool
    features: tuple[str, ...]
    """Of the legacy API, as `translators.features_of` names them."""
    turns: int | None
    prompt_characters: int | None
    max_tokens: int | None
    """As asked for, like the four that follow; None: not said, or not readable."""
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stops: int | None
    """How many stop sequences."""

    route: str | None
    """`translate`, `forward` or `refuse`: the leg that answered, or failed last."""
    rule: str | None
    """The rollout rule that decided; None: none did."""
    why: str | None
    """What the decision rests on: a rule, the override, a sunset, a brown-out, or the default."""
    first_failure: Redacted | None
    """Why the first leg failed, where a second one was tried."""

    asked_model: Redacted | None
    sent_model: Redacted | None
    answered_model: Redacted | None
    adjustments: tuple[MadeAdjustment, ...]

    status: int | None
    """None: the client was gone before there was one."""
    stop_reason: str | None
    upstream_stop_reason: str | None
    error_type: str | None
    failure: str | None
    """What went wrong, in our own words; never an upstream's or a client's."""
    blame: Blame
    """Whose fault it is that something failed, also where the client had left by then."""
    client_gone: bool
    outcome: Outcome

    input_tokens: float | None
    output_tokens: float | None
    request_bytes: int
    reply_bytes: int
    upstream_ms: float | None
    """Until the head of the answer that was passed on was there."""
    first_token_ms: float | None
    """Until there was text to pass on; None for what is forwarded as it is."""
    first_byte_ms: float | None
    total_ms: float

    def as_fields(self) -> dict[str, object]:
        """As the fields of a log line."""
        fields: dict[str, object] = msgspec.structs.asdict(self)
        fields["blame"] = self.blame.value
        fields["outcome"] = self.outcome.value
        fields["adjustments"] = [msgspec.structs.asdict(made) for made in self.adjustments]
        return fields


class ShadowRecord(msgspec.Struct, frozen=True, kw_only=True, tag="shadow"):
    """What a shadow, or a control, of one exchange came to."""

    id: str
    """Of the exchange."""
    ended: str
    """When: ISO 8601, UTC."""
    rule: str
    leg: str
    """`shadow`, or `control`: the client's own request once more."""
    failure: str | None
    """Why there is nothing to compare."""
    comparison: Mapping[str, object] | None
    """The fields of a `Comparison`."""
