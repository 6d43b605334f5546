"""Traffic records to fill stores, journals and reports with: plain ones, but for what is given."""

from typing import Any

from proxy.errors import Blame
from proxy.outcome import outcome_of_old_record
from proxy.traffic import Body, Content, ShadowRecord, TrafficRecord

_PLAIN: dict[str, Any] = {
    "id": "req_000000000000000000000001",
    "request_id": "req_011CZ",
    "received": "2026-11-23T09:00:00.000+00:00",
    "path": "/v1/complete",
    "caller": "0123456789abcdef",
    "key": "0123456789abcdef",
    "user_agent": "python-requests/2.31.0",
    "version": "2023-06-01",
    "dialect": "2023-06-01",
    "streamed": False,
    "features": (),
    "turns": 2,
    "prompt_characters": 26,
    "max_tokens": 300,
    "route": "translate",
    "why": "default",
    "asked_model": "claude-2.1",
    "sent_model": "claude-haiku-4-5-20251001",
    "answered_model": "claude-haiku-4-5-20251001",
    "adjustments": (),
    "status": 200,
    "stop_reason": "stop_sequence",
    "upstream_stop_reason": "end_turn",
    "blame": Blame.NOBODY,
    "client_gone": False,
    "input_tokens": 6.0,
    "output_tokens": 14.0,
    "request_bytes": 113,
    "reply_bytes": 158,
    "upstream_ms": 4.0,
    "first_token_ms": 5.0,
    "first_byte_ms": 5.0,
    "total_ms": 6.0,
}


def record(**fields: Any) -> TrafficRecord:
    """One exchange, whose blame and outcome follow from the other fields unless they are given."""
    empty: dict[str, Any] = dict.fromkeys(TrafficRecord.__struct_fields__)
    given = empty | _PLAIN | fields
    has_failed = (given["status"] or 0) >= 400 or given["error_type"] or given["failure"]
    if has_failed and "blame" not in fields:
        given["blame"] = Blame.CLIENT if given["status"] in range(400, 500) else Blame.UPSTREAM
    names = ("route", "status", "error_type", "blame", "client_gone")
    given["outcome"] = given["outcome"] or outcome_of_old_record(**{n: given[n] for n in names})
    return TrafficRecord(**given)


def shadow_record(**fields: Any) -> ShadowRecord:
    """A shadow that came to the same."""
    plain: dict[str, Any] = {
        "id": _PLAIN["id"],
        "ended": "2026-11-23T09:00:01.000+00:00",
        "rule": "risky",
        "leg": "shadow",
        "failure": None,
        "comparison": {"equal": True, "similarity": 1.0},
    }
    return ShadowRecord(**(plain | fields))


def content(**fields: Any) -> Content:
    """What was said, of which the request is kept."""
    body = Body(part="legacy_in", size=113, digest="d1", data=b"zstd", timing=None)
    plain: dict[str, Any] = {
        "id": _PLAIN["id"],
        "received": _PLAIN["received"],
        "bodies": (body,),
    }
    return Content(**(plain | fields))
