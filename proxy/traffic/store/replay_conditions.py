"""Which exchanges can be asked again, and about how many tokens that takes: in SQL."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Float, and_, case, cast, exists, func, or_

from proxy.outcome import Outcome
from proxy.traffic.store.schema import bodies, exchanges, replays

BYTES_PER_TOKEN: Final = 3.5
"""An estimate, where nobody counted."""
PASSING: Final = ("status 429", "status 5%", "unreachable", "no key", "key refused", "crashed")
"""Failures, as patterns of LIKE, that need not happen again."""

IN, BACK = bodies.alias("legacy_in"), bodies.alias("legacy_back")


def captured(body: Any, part: str) -> ColumnElement[bool]:
    """A body that is there, whole."""
    return and_(body.c.exchange_id == exchanges.c.id, body.c.part == part, body.c.data.is_not(None))


HAS_CONTENT: Final = and_(
    exists().where(captured(IN, "legacy_in")), exists().where(captured(BACK, "legacy_back"))
)
MAY_PASS: Final = and_(
    replays.c.failure.is_not(None), or_(*(replays.c.failure.like(reason) for reason in PASSING))
)
"""Results that are asked for once more."""
WAS_ANSWERED: Final = exchanges.c.outcome == Outcome.ANSWERED.value
"""True for exchanges whose answer is whole, so that there is something to compare with."""

INPUT: Final = func.coalesce(
    exchanges.c.input_tokens, cast(exchanges.c.request_bytes, Float) / BYTES_PER_TOKEN
)
_REPLY: Final = cast(exchanges.c.reply_bytes, Float) / BYTES_PER_TOKEN
OUTPUT: Final = func.coalesce(
    exchanges.c.output_tokens,
    # The old dialect repeats itself: its streams are larger than what was said.
    case((exchanges.c.max_tokens > _REPLY, _REPLY), else_=exchanges.c.max_tokens),
    _REPLY,
)
MAX_OUTPUT: Final = func.coalesce(exchanges.c.max_tokens, OUTPUT)
"""If an answer is as long as it may be."""
