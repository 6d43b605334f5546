"""What is kept of one exchange, whatever became of it: the fields of the log line."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from proxy.failures import Blame
from proxy.redaction import CallerDigest


class TrafficRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange. No keys and no prompt text; times in milliseconds from its first byte."""

    id: str
    request_id: str
    """Of upstream, if it gave one; else ours. Also in the `request-id` response header."""
    path: str

    caller: CallerDigest | None
    caller_name: str | None
    """From the settings' list of callers."""
    user_agent: str | None
    sdk: str | None
    version: str | None
    """`anthropic-version` as the client sent it."""
    dialect: str | None
    streamed: bool

    route: str | None
    """`translate`, `forward` or `refuse`: the leg that answered, or failed last."""
    rule: str | None
    """The rollout rule that decided; None: none did."""
    why: str | None
    """What the decision rests on: a rule, the override, a sunset, a brown-out, or the default."""
    first_failure: str | None
    """Why the first leg failed, where a second one was tried."""

    asked_model: str | None
    sent_model: str | None
    answered_model: str | None
    adjustments: tuple[str, ...]

    status: int | None
    """None: the client was gone before there was one."""
    stop_reason: str | None
    upstream_stop_reason: str | None
    error_type: str | None
    failure: str | None
    """What went wrong, in our own words; never an upstream's or a client's."""
    blame: Blame
    client_gone: bool

    input_tokens: float | None
    output_tokens: float | None
    request_bytes: int
    first_byte_ms: float | None
    total_ms: float

    def as_fields(self) -> Mapping[str, object]:
        """As the fields of a log line."""
        return msgspec.structs.asdict(self) | {"blame": self.blame.value}
