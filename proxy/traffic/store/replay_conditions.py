"""SQL conditions for exchanges that can be replayed, and estimates of the tokens needed."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Float, and_, case, cast, exists, func, or_

from proxy.outcome import Outcome
from proxy.traffic.store.schema import bodies, exchanges, replays

BYTES_PER_TOKEN: Final = 3.5
"""Estimate for exchanges without a count of tokens."""
PASSING: Final = ("status 429", "status 5%", "unreachable", "no key", "key refused", "crashed")
"""Failures that may not happen again, as patterns of LIKE."""

IN, BACK = bodies.alias("legacy_in"), bodies.alias("legacy_back")


def captured(body: Any, part: str) -> ColumnElement[bool]:
    """Match the body of this part of an exchange, if it was captured in full."""
    return and_(body.c.exchange_id == exchanges.c.id, body.c.part == part, body.c.data.is_not(None))


HAS_CONTENT: Final = and_(
    exists().where(captured(IN, "legacy_in")), exists().where(captured(BACK, "legacy_back"))
)
MAY_PASS: Final = and_(
    replays.c.failure.is_not(None), or_(*(replays.c.failure.like(reason) for reason in PASSING))
)
"""True for failed results that the next run of the replay repeats."""
WAS_ANSWERED: Final = exchanges.c.outcome == Outcome.ANSWERED.value
"""True for exchanges with a complete answer to compare with."""

INPUT: Final = func.coalesce(
    exchanges.c.input_tokens, cast(exchanges.c.request_bytes, Float) / BYTES_PER_TOKEN
)
_REPLY: Final = cast(exchanges.c.reply_bytes, Float) / BYTES_PER_TOKEN
OUTPUT: Final = func.coalesce(
    exchanges.c.output_tokens,
    # Cumulative streams are larger than their text, so max_tokens bounds the estimate.
    case((exchanges.c.max_tokens > _REPLY, _REPLY), else_=exchanges.c.max_tokens),
    _REPLY,
)
MAX_OUTPUT: Final = func.coalesce(exchanges.c.max_tokens, OUTPUT)
"""Output tokens if the answer is as long as the request allows."""
