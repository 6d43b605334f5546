"""The adjustments made for a caller: how often, why, and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from proxy.report.model import AdjustmentUse, Example
from proxy.report.outcomes import share
from proxy.report.readiness import ReadinessEvidence, obstacle_of
from proxy.traffic import MadeAdjustment
from proxy.traffic.store.aggregates import ShapeGroup
from proxy.traffic.store.stored_json import read_stored

_MAX_EXAMPLES: Final = 3
_SHAPES_PER_KIND: Final = 8
"""Number of shapes of exchanges, the most frequent ones, in which examples of a kind are sought."""
_KINDS: Final = msgspec.json.Decoder(frozenset[str])


@lru_cache(10_000)
def _kinds(text: str) -> frozenset[str]:
    return read_stored(_KINDS, text) or frozenset()


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


def shapes_with_examples(shaped: Iterable[ShapeGroup]) -> set[int]:
    """Return the shapes of which one exchange is enough to show every kind of adjustment."""
    seen: Counter[str] = Counter()
    wanted: set[int] = set()
    for each in sorted(shaped, key=lambda each: -each.exchanges):
        rare = [kind for kind in _kinds(each.adjustments) if seen[kind] < _SHAPES_PER_KIND]
        if rare:
            wanted.add(each.shape)
        seen.update(rare)
    return wanted


def adjustments_of(
    shaped: Iterable[ShapeGroup], made: Mapping[int, Sequence[MadeAdjustment]], whole: int
) -> tuple[AdjustmentUse, ...]:
    """
    Return each kind of adjustment once, the most frequent first.

    `made` has the adjustments of an exchange of some shapes; `whole` counts exchanges.
    """
    kinds: Counter[str] = Counter()
    examples: dict[str, Counter[MadeAdjustment]] = {}
    for each in shaped:
        kinds.update(dict.fromkeys(_kinds(each.adjustments), each.exchanges))
        for one in made.get(each.shape, ()):
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
                for one, times in examples.get(kind, Counter()).most_common(_MAX_EXAMPLES)
            ),
        )
        uses.append(use)
    return tuple(uses)
