"""The adjustments of one caller: how often, why, and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import msgspec

from proxy.report.model import AdjustmentUse, Example
from proxy.report.outcomes import share
from proxy.report.readiness import SimilarityEvidence, obstacle_of
from proxy.traffic import MadeAdjustment
from proxy.traffic.store.aggregates import ShapeGroup

_EXAMPLES: Final = 3
_MADE: Final = msgspec.json.Decoder(tuple[MadeAdjustment, ...])


@lru_cache(10_000)
def _made(text: str) -> tuple[MadeAdjustment, ...]:
    return _MADE.decode(text)


@lru_cache(10_000)
def _kinds(text: str) -> frozenset[str]:
    return frozenset(made.kind for made in _made(text))


def alike(shaped: Iterable[ShapeGroup]) -> Iterator[tuple[SimilarityEvidence, int]]:
    """As readiness looks at them, and how many."""
    for each in shaped:
        kinds = _kinds(each.adjustments)
        like = SimilarityEvidence(
            each.dialect, each.streamed, each.ending, kinds, each.sent is not None
        )
        yield like, each.exchanges


def adjustments_of(shaped: Iterable[ShapeGroup], whole: int) -> tuple[AdjustmentUse, ...]:
    """Each kind once, the most frequent first."""
    kinds: Counter[str] = Counter()
    examples: dict[str, Counter[MadeAdjustment]] = {}
    for each in shaped:
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
