"""The adjustments of one caller: how often, why, and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from proxy.report.outcomes import share
from proxy.report.readiness import Exchanges, obstacle_of
from proxy.report.values import AdjustmentUse, Example
from proxy.traffic import MadeAdjustment
from proxy.traffic.sums import Adjusted

_EXAMPLES: Final = 3
_MADE: Final = msgspec.json.Decoder(tuple[MadeAdjustment, ...])


@lru_cache(10_000)
def _made(text: str) -> tuple[MadeAdjustment, ...]:
    return _MADE.decode(text)


def alike(adjusted: Iterable[Adjusted]) -> Iterable[Exchanges]:
    """As readiness looks at them."""
    for each in adjusted:
        yield Exchanges(
            exchanges=each.exchanges,
            dialect=each.dialect,
            ending=each.ending,
            kinds=frozenset(made.kind for made in _made(each.adjustments)),
            is_planned=each.is_planned,
        )


def adjustments_of(adjusted: Iterable[Adjusted], whole: int) -> tuple[AdjustmentUse, ...]:
    """Each kind once, the most frequent first."""
    kinds: Counter[str] = Counter()
    examples: dict[str, Counter[MadeAdjustment]] = {}
    for each in adjusted:
        made = _made(each.adjustments)
        kinds.update(dict.fromkeys((one.kind for one in made), each.exchanges))
        for one in made:
            examples.setdefault(one.kind, Counter())[one] += each.exchanges
    return tuple(
        _use(kind, count, whole, examples[kind])
        for kind, count in sorted(kinds.items(), key=lambda each: (-each[1], each[0]))
    )


def _use(kind: str, count: int, whole: int, examples: Counter[MadeAdjustment]) -> AdjustmentUse:
    obstacle = obstacle_of(kind)
    return AdjustmentUse(
        kind=kind,
        count=count,
        share=share(count, whole),
        work=obstacle.work,
        explanation=obstacle.what,
        remedy=obstacle.what_to_do,
        examples=tuple(
            Example(field=one.field, asked=one.asked, sent=one.sent, count=times)
            for one, times in examples.most_common(_EXAMPLES)
        ),
    )
