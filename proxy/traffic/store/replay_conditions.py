"""SQL conditions for exchanges that can be replayed, and estimates of the tokens needed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Float, and_, case, cast, func, literal_column, or_

from proxy.outcome import Outcome
from proxy.traffic.store.filters import body_of_exchange
from proxy.traffic.store.schema import bodies, exchanges, replays

BYTES_PER_TOKEN: Final = 3.5
"""Estimate for exchanges without a count of tokens."""
PASSING: Final = ("status 429", "status 5%", "unreachable", "no key", "key refused", "crashed")
"""Failures that may not happen again, as patterns of LIKE."""

_PARTS: Final = ("legacy_in", "legacy_back")

BODIES: Final = tuple(
    body_of_exchange(bodies.c.data, bodies.c.part == part).scalar_subquery().label(part)
    for part in _PARTS
)
"""The bodies of an exchange that a replay needs, as columns."""
HAS_CONTENT: Final = and_(
    *(body_of_exchange(literal_column("1"), bodies.c.part == part).exists() for part in _PARTS)
)
"""True for exchanges of which both were captured in full."""
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
