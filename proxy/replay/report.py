"""
What a replay came to: a frozen value, and as JSON the same.

Results are read once, one after the other, and what is remembered of them does
not grow with their number.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from proxy.comparison.compare import Comparison
from proxy.replay.distribution import Distribution
from proxy.report.prices import Price, price_of
from proxy.traffic.store.replay_results import ReplayResult

Pair: TypeAlias = tuple[str | None, str | None]

_FEW: Final = 10
_MILLION: Final = 1_000_000


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How often something was there."""

    name: str
    count: int


class Similarity(msgspec.Struct, frozen=True, kw_only=True):
    """Of the new texts to the recorded ones, 0 to 1."""

    mean: float
    p10: float
    """A tenth of them is no more similar than that."""
    tenths: tuple[int, ...]
    """How many in each, the least similar first."""


class StopReasons(msgspec.Struct, frozen=True, kw_only=True):
    """Two that differ."""

    recorded: str | None
    now: str | None
    count: int


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """The new over the recorded, of the answers where the recorded is not 0."""

    p10: float
    p50: float
    p90: float


class AdjustmentChange(msgspec.Struct, frozen=True, kw_only=True):
    """In how many answers an adjustment was made that had not been, or the other way round."""

    kind: str
    appears: int
    goes_away: int


class ReplaySpending(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one model, as upstream has counted them."""

    model: str | None
    """None: a legacy upstream, which does not count."""
    answers: int
    input_tokens: float
    output_tokens: float
    cost: float | None
    """In dollars; None: its price is not known."""


class LeastSimilar(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange to look at."""

    id: str
    similarity: float


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    name: str
    asked: int
    compared: int
    equal: int
    similarity: Similarity | None
    """None, like the ratios: nothing could be compared."""
    same_stop_reason: int
    stop_reasons: tuple[StopReasons, ...]
    lengths: Ratio | None
    latencies: Ratio | None
    recorded: tuple[ReplaySpending, ...]
    now: tuple[ReplaySpending, ...]
    adjustments: tuple[AdjustmentChange, ...]
    failures: tuple[RequestCounts, ...]
    least_similar: tuple[LeastSimilar, ...]
    """Of those that are not equal."""


def build_replay_report(
    name: str, results: Iterable[ReplayResult], prices: Mapping[str, Price]
) -> ReplayReport:
    """Count them; the operator's prices go before the list's."""
    tally = _ReplayTally()
    for result in results:
        tally.add(result)
    return ReplayReport(
        name=name,
        asked=tally.compared + tally.failures.total(),
        compared=tally.compared,
        equal=tally.equal,
        similarity=_similarity(tally.similarities),
        same_stop_reason=tally.compared - tally.stop_reasons.total(),
        stop_reasons=tuple(
            StopReasons(recorded=recorded, now=now, count=count)
            for (recorded, now), count in tally.stop_reasons.most_common()
        ),
        lengths=_ratio(tally.lengths),
        latencies=_ratio(tally.latencies),
        recorded=_spent(tally.spent[0], prices),
        now=_spent(tally.spent[1], prices),
        adjustments=_changes(tally.appear, tally.go_away),
        failures=tuple(
            RequestCounts(name=name, count=count) for name, count in tally.failures.most_common()
        ),
        least_similar=tuple(
            LeastSimilar(id=id_, similarity=-minus)
            for minus, id_ in sorted(tally.least, reverse=True)
        ),
    )


_Spent: TypeAlias = dict[str | None, list[float]]


def _no_spent() -> _Spent:
    return defaultdict(lambda: [0, 0, 0])


@dataclass(slots=True)
class _ReplayTally:
    """Results, counted."""

    compared: int = 0
    equal: int = 0
    similarities: Distribution = field(default_factory=Distribution)
    lengths: Distribution = field(default_factory=Distribution)
    latencies: Distribution = field(default_factory=Distribution)
    stop_reasons: Counter[Pair] = field(default_factory=Counter)
    spent: tuple[_Spent, _Spent] = field(default_factory=lambda: (_no_spent(), _no_spent()))
    appear: Counter[str] = field(default_factory=Counter)
    go_away: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    least: list[tuple[float, str]] = field(default_factory=list)
    """A heap with the most similar of them on top."""

    def add(self, result: ReplayResult) -> None:
        if result.comparison is None:
            self.failures[str(result.failure)] += 1
            return
        compared = msgspec.convert(result.comparison, Comparison)
        self.compared += 1
        self.equal += compared.equal
        self.similarities.add(compared.similarity)
        _add_ratio(self.lengths, compared.characters)
        _add_ratio(self.latencies, compared.milliseconds)
        if not compared.same_stop_reason:
            self.stop_reasons[compared.stop_reasons] += 1
        before, now = map(set, compared.adjustments)
        self.appear.update(now - before)
        self.go_away.update(before - now)
        self._add_spent(compared)
        if not compared.equal:
            heapq.heappush(self.least, (-compared.similarity, result.id))
            if len(self.least) > _FEW:
                heapq.heappop(self.least)

    def _add_spent(self, compared: Comparison) -> None:
        each = zip(
            *(self.spent, compared.models, compared.input_tokens, compared.output_tokens),
            strict=True,
        )
        for spent, model, input_tokens, output_tokens in each:
            sums = spent[model]
            for place, number in enumerate((1, input_tokens or 0, output_tokens or 0)):
                sums[place] += number


def _add_ratio(ratios: Distribution, pair: tuple[float, float]) -> None:
    recorded, now = pair
    if recorded > 0:
        ratios.add(now / recorded)


def _similarity(found: Distribution) -> Similarity | None:
    if not found:
        return None
    return Similarity(mean=found.mean, p10=found.quantile(0.1), tenths=found.tenths())


def _ratio(found: Distribution) -> Ratio | None:
    if not found:
        return None
    p10, p50, p90 = map(found.quantile, (0.1, 0.5, 0.9))
    return Ratio(p10=p10, p50=p50, p90=p90)


def _spent(
    by_model: Mapping[str | None, list[float]], prices: Mapping[str, Price]
) -> tuple[ReplaySpending, ...]:
    busiest = sorted(by_model.items(), key=lambda item: -item[1][0])
    return tuple(
        ReplaySpending(
            model=model,
            answers=int(answers),
            input_tokens=given,
            output_tokens=said,
            cost=cost_of(model, given, said, prices),
        )
        for model, (answers, given, said) in busiest
    )


def cost_of(
    model: str | None, given: float, said: float, prices: Mapping[str, Price]
) -> float | None:
    """Dollars; None: the price is not known."""
    price = None if model is None else price_of(model, prices)
    return None if price is None else (given * price.input + said * price.output) / _MILLION


def _changes(appear: Counter[str], go_away: Counter[str]) -> tuple[AdjustmentChange, ...]:
    both = appear + go_away
    return tuple(
        AdjustmentChange(kind=kind, appears=appear[kind], goes_away=go_away[kind])
        for kind in sorted(both, key=lambda kind: (-both[kind], kind))
    )
