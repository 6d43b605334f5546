"""Reports to draw pages of: plain ones, but for what is given."""

from __future__ import annotations

from typing import Any

from proxy.report.model import (
    AdjustmentUse,
    Bucket,
    CallerReport,
    Compared,
    Counted,
    Coverage,
    CurrentCall,
    ErrorUse,
    Example,
    HitCaller,
    Latency,
    ModelUse,
    Outcomes,
    Percentiles,
    Period,
    Readiness,
    Reason,
    Report,
    Retirement,
    ShadowReport,
    Spent,
    Standing,
    Totals,
    Volume,
)

SINCE, UNTIL = "2026-11-16T09:00:00.000+00:00", "2026-11-23T09:00:00.000+00:00"
NOTHING_TIMED = Latency(total=None, first_byte=None, first_token=None)
NOTHING_SPENT = Spent(input_tokens=0, output_tokens=0, cost=None, unpriced_models=())


def counted(name: str, count: int = 1, share: float = 1.0) -> Counted:
    return Counted(name=name, count=count, share=share)


def latency(p50: float, p95: float) -> Latency:
    times = Percentiles(p50=p50, p95=p95, p99=p95)
    return Latency(total=times, first_byte=times, first_token=times)


def readiness(score: float | None = 1.0, *reasons: Reason) -> Readiness:
    return Readiness(score=score, judged=10, is_enough=True, is_ready=score == 1, reasons=reasons)


def reason(work: Any = "decision", **fields: Any) -> Reason:
    plain: dict[str, Any] = {
        "name": "continue_prefill",
        "count": 4,
        "share": 0.4,
        "what": "The model takes no prefill.",
        "what_to_do": "End the prompt at `Assistant:`.",
    }
    return Reason(work=work, **(plain | fields))


def call(**fields: Any) -> CurrentCall:
    plain: dict[str, Any] = {
        "language": "python",
        "code": 'message = client.messages.create(\n    model="claude-opus-4-8",\n)\n',
        "is_captured": True,
        "exchange": "req_1",
        "asked": "claude-2.1",
        "share": 0.98,
    }
    return CurrentCall(**(plain | fields))


def adjustment(**fields: Any) -> AdjustmentUse:
    plain: dict[str, Any] = {
        "kind": "replace_retired_model",
        "count": 10,
        "share": 1.0,
        "work": "mechanical",
        "explanation": "The model is retired; its official successor answered.",
        "remedy": "Ask for a model that is served today.",
        "examples": (Example(field="model", asked="claude-2.1", sent="claude-opus-4-8", count=10),),
    }
    return AdjustmentUse(**(plain | fields))


def error(**fields: Any) -> ErrorUse:
    plain: dict[str, Any] = {
        "status": 529,
        "type": "overloaded_error",
        "blame": "upstream",
        "count": 1,
        "share": 0.1,
    }
    return ErrorUse(**(plain | fields))


def caller(name: str | None = "nightly-batch", **fields: Any) -> CallerReport:
    plain: dict[str, Any] = {
        "name": name,
        "digest": "0123456789abcdef",
        "owner": None,
        "exchanges": 10,
        "share": 1.0,
        "first_seen": SINCE,
        "last_seen": "2026-11-23T08:59:00.000+00:00",
        "outcomes": Outcomes(answered=10),
        "error_share": 0.0,
        "rescued": 0,
        "streamed_share": 0.0,
        "sdks": (counted("python 0.3.11"),),
        "user_agents": (counted("Anthropic/Python 0.3.11"),),
        "dialects": (counted("2023-06-01"),),
        "rules": (),
        "routes": (counted("translate"),),
        "models": (ModelUse(asked="claude-2.1", sent="claude-opus-4-8", count=10, share=1.0),),
        "features": (),
        "adjustments": (),
        "errors": (),
        "latency": NOTHING_TIMED,
        "spent": NOTHING_SPENT,
        "readiness": readiness(),
        "call": None,
    }
    return CallerReport(**(plain | fields))


def standing(one: CallerReport) -> Standing:
    return Standing(
        name=one.name,
        digest=one.digest,
        owner=one.owner,
        exchanges=one.exchanges,
        share=one.share,
        error_share=one.error_share,
        readiness=one.readiness.score,
        is_enough=one.readiness.is_enough,
        is_ready=one.readiness.is_ready,
        client=next((each.name for each in one.sdks), None),
        model=next((use.asked for use in one.models), None),
        last_seen=one.last_seen,
    )


def compared(similarity: float | None, **fields: Any) -> Compared:
    plain: dict[str, Any] = {"compared": 8, "failed": 0, "equal_share": 0.5, "failures": ()}
    return Compared(mean_similarity=similarity, **(plain | fields))


def shadows(**fields: Any) -> ShadowReport:
    plain: dict[str, Any] = {
        "rule": "cheaper",
        "shadow": compared(0.7),
        "control": compared(0.9),
        "beyond_noise": 0.2,
        "equal_beyond_noise": 0.0,
    }
    return ShadowReport(**(plain | fields))


def retirement(**fields: Any) -> Retirement:
    plain: dict[str, Any] = {
        "model": "claude-opus-4-8",
        "retires": "2027-01-31",
        "not_before": None,
        "days_left": 69,
        "successor": "claude-opus-5",
        "exchanges": 10,
        "callers": (HitCaller(name="nightly-batch", digest=None, count=10),),
    }
    return Retirement(**(plain | fields))


def volume(*counts: int, step: Any = "hour") -> Volume:
    return Volume(
        step=step,
        buckets=tuple(
            Bucket(
                begin=f"2026-11-{16 + index // 24}T{index % 24:02}:00:00.000+00:00",
                outcomes=Outcomes(answered=count - count // 4, client_error=count // 4),
                exchanges=count,
            )
            for index, count in enumerate(counts)
        ),
    )


def coverage(**fields: Any) -> Coverage:
    plain: dict[str, Any] = {
        "recorded_since": SINCE,
        "with_bodies": 0,
        "lost_records": None,
        "dropped_contents": None,
        "notes": (),
    }
    return Coverage(**(plain | fields))


def report(*callers: CallerReport, **fields: Any) -> Report:
    """Of these callers; without any, of nothing."""
    exchanges = sum(one.exchanges for one in callers)
    totals = Totals(
        exchanges=exchanges,
        callers=len(callers),
        outcomes=Outcomes(answered=exchanges),
        error_share=0.0,
        translated=exchanges,
        forwarded=0,
        rescued=0,
        streamed=0,
        readiness=1.0 if callers else None,
        latency=latency(40, 90) if callers else NOTHING_TIMED,
        spent=NOTHING_SPENT,
    )
    plain: dict[str, Any] = {
        "made": UNTIL,
        "period": Period(since=SINCE, until=UNTIL),
        "caller": None,
        "coverage": coverage(),
        "totals": totals,
        "volume": volume(exchanges),
        "callers": callers,
        "others": None,
        "standings": tuple(standing(one) for one in callers),
        "shadows": (),
        "retirements": (),
    }
    return Report(**(plain | fields))
