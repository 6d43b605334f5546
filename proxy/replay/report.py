"""
The report of a replay: a frozen value that is written as JSON unchanged.

Results are read once, one by one, so that memory does not grow with their
number.
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
from proxy.traffic.store.stored_json import UNREADABLE_COMPARISON

Pair: TypeAlias = tuple[str | None, str | None]

_MAX_LEAST_SIMILAR: Final = 10
_MILLION: Final = 1_000_000


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of failure and how often it occurred."""

    name: str
    count: int


class Similarity(msgspec.Struct, frozen=True, kw_only=True):
    """Similarity of new texts to recorded ones, 0 to 1."""

    mean: float
    p10: float
    """A tenth of the texts is at most this similar."""
    tenths: tuple[int, ...]
    """Number of texts in each tenth of the range, the least similar first."""


class StopReasons(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of differing stop reasons and how often it occurred."""

    recorded: str | None
    now: str | None
    count: int


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """The ratio of new to recorded values, over answers whose recorded value is not 0."""

    p10: float
    p50: float
    p90: float


class AdjustmentChange(msgspec.Struct, frozen=True, kw_only=True):
    """Number of answers in which an adjustment appeared or went away."""

    kind: str
    appears: int
    goes_away: int


class ReplaySpending(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of a model as upstream counted them, and their cost."""

    model: str | None
    """The model asked; None for a legacy upstream, which reports no usage."""
    answers: int
    input_tokens: float
    output_tokens: float
    cost: float | None
    """Cost in dollars; None if the price is not known."""


class LeastSimilar(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange whose new answer is worth a look."""

    id: str
    similarity: float


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report."""

    name: str
    asked: int
    compared: int
    equal: int
    similarity: Similarity | None
    """Similarity of the answers; None, like the ratios, if nothing could be compared."""
    same_stop_reason: int
    stop_reasons: tuple[StopReasons, ...]
    lengths: Ratio | None
    latencies: Ratio | None
    recorded: tuple[ReplaySpending, ...]
    now: tuple[ReplaySpending, ...]
    adjustments: tuple[AdjustmentChange, ...]
    failures: tuple[RequestCounts, ...]
    least_similar: tuple[LeastSimilar, ...]
    """The exchanges with the least similar answers, if these are not equal."""


def build_replay_report(
    name: str, results: Iterable[ReplayResult], prices: Mapping[str, Price]
) -> ReplayReport:
    """Build the report; `prices` come before the list prices."""
    tally = _ReplayTally()
    for result in results:
        tally.add(result)
    similarities, changes = tally.similarities, tally.appear + tally.go_away
    return ReplayReport(
        name=name,
        asked=tally.compared + tally.failures.total(),
        compared=tally.compared,
        equal=tally.equal,
        similarity=Similarity(
            mean=similarities.mean,
            p10=similarities.quantile(0.1),
            tenths=similarities.tenths(),
        )
        if similarities
        else None,
        same_stop_reason=tally.compared - tally.stop_reasons.total(),
        stop_reasons=tuple(
            StopReasons(recorded=recorded, now=now, count=count)
            for (recorded, now), count in tally.stop_reasons.most_common()
        ),
        lengths=_ratio(tally.lengths),
        latencies=_ratio(tally.latencies),
        recorded=_spent(tally.spent[0], prices),
        now=_spent(tally.spent[1], prices),
        adjustments=tuple(
            AdjustmentChange(kind=kind, appears=tally.appear[kind], goes_away=tally.go_away[kind])
            for kind, _ in sorted(changes.items(), key=lambda each: (-each[1], each[0]))
        ),
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
    """A heap with the most similar of them on top, to be replaced by a less similar one."""

    def add(self, result: ReplayResult) -> None:
        if result.comparison is None:
            self.failures[str(result.failure)] += 1
            return
        try:
            compared = msgspec.convert(result.comparison, Comparison)
        except msgspec.ValidationError:  # another version compared less
            self.failures[UNREADABLE_COMPARISON] += 1
            return
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
        each = zip(
            *(self.spent, compared.models, compared.input_tokens, compared.output_tokens),
            strict=True,
        )
        for spent, model, input_tokens, output_tokens in each:
            sums = spent[model]
            for place, number in enumerate((1, input_tokens or 0, output_tokens or 0)):
                sums[place] += number
        if not compared.equal:
            heapq.heappush(self.least, (-compared.similarity, result.id))
            if len(self.least) > _MAX_LEAST_SIMILAR:
                heapq.heappop(self.least)


def _add_ratio(ratios: Distribution, pair: tuple[float, float]) -> None:
    recorded, now = pair
    if recorded > 0:
        ratios.add(now / recorded)


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
            output_tokens=generated,
            cost=cost_of(model, given, generated, prices),
        )
        for model, (answers, given, generated) in busiest
    )


def cost_of(
    model: str | None, given: float, generated: float, prices: Mapping[str, Price]
) -> float | None:
    """Return the cost in dollars of input and output tokens; None if the price is not known."""
    price = None if model is None else price_of(model, prices)
    return None if price is None else (given * price.input + generated * price.output) / _MILLION
