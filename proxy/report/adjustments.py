"""The adjustments made for a caller: how often, why, and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import msgspec

from proxy.report.model import AdjustmentUse, Example
from proxy.report.outcomes import share
from proxy.report.readiness import ReadinessEvidence, obstacle_of
from proxy.traffic import MadeAdjustment
from proxy.traffic.store.aggregates import ShapeGroup

_MAX_EXAMPLES: Final = 3
_MADE: Final = msgspec.json.Decoder(tuple[MadeAdjustment, ...])


@lru_cache(10_000)
def _decode(text: str) -> tuple[MadeAdjustment, ...]:
    return _MADE.decode(text)


@lru_cache(10_000)
def _kinds(text: str) -> frozenset[str]:
    return frozenset(made.kind for made in _decode(text))


def readiness_evidence(shaped: Iterable[ShapeGroup]) -> Iterator[tuple[ReadinessEvidence, int]]:
    """Yield what counts for readiness of each group of exchanges, and the size of the group."""
    for each in shaped:
        kinds = _kinds(each.adjustments)
        evidence = ReadinessEvidence(
            dialect=each.dialect,
            streamed=each.streamed,
            ending=each.ending,
            kinds=kinds,
            is_planned=each.sent is not None,
        )
        yield evidence, each.exchanges


def adjustments_of(shaped: Iterable[ShapeGroup], whole: int) -> tuple[AdjustmentUse, ...]:
    """Return each kind of adjustment once, the most frequent first; `whole` counts exchanges."""
    kinds: Counter[str] = Counter()
    examples: dict[str, Counter[MadeAdjustment]] = {}
    for each in shaped:
        made = _decode(each.adjustments)
        kinds.update(dict.fromkeys((one.kind for one in made), each.exchanges))
        for one in made:
            examples.setdefault(one.kind, Counter())[one] += each.exchanges
    uses: list[AdjustmentUse] = []
    for kind, count in sorted(kinds.items(), key=lambda each: (-each[1], each[0])):
        obstacle = obstacle_of(kind)
        use = AdjustmentUse(
            kind=kind,
            count=count,
            share=share(count, whole),
            work=obstacle.work,
            explanation=obstacle.what,
            remedy=obstacle.what_to_do,
            examples=tuple(
                Example(field=one.field, asked=one.asked, sent=one.sent, count=times)
                for one, times in examples[kind].most_common(_MAX_EXAMPLES)
            ),
        )
        uses.append(use)
    return tuple(uses)
