"""What a replay came to, counted."""

from typing import Any

import msgspec
import pytest

from proxy.comparison.compare import ComparableAnswer, compare
from proxy.replay import ReplayReport, build_replay_report
from proxy.replay.distribution import Distribution
from proxy.replay.report import (
    AdjustmentChange,
    LeastSimilar,
    Ratio,
    ReplaySpending,
    RequestCounts,
    StopReasons,
)
from proxy.report.prices import Price
from proxy.traffic.store.replay_results import ReplayResult
from translators import Usage

PRICES = {"m": Price(1_000_000, 2_000_000)}


def answered(text: str = "Hello", **fields: Any) -> ComparableAnswer:
    plain: dict[str, Any] = {
        "stop_reason": "stop_sequence",
        "seconds": 1.0,
        "model": "m",
        "usage": Usage(10, 5),
        "adjustments": (),
    }
    return ComparableAnswer(text=text, **(plain | fields))


def compared(then: ComparableAnswer, now: ComparableAnswer, id_: str = "req_1") -> ReplayResult:
    comparison = msgspec.json.decode(msgspec.json.encode(compare(then, now).as_fields()))
    return ReplayResult(id=id_, failure=None, comparison=comparison, tokens=15)


def failed(failure: str) -> ReplayResult:
    return ReplayResult(id="req_1", failure=failure, comparison=None, tokens=0)


def of(*results: ReplayResult) -> ReplayReport:
    return build_replay_report("r", results, PRICES)


def test_nothing_comes_to_nothing():
    report = of()

    assert (report.asked, report.compared, report.equal) == (0, 0, 0)
    assert report.similarity is None
    assert report.lengths is None
    assert report.latencies is None
    assert (report.least_similar, report.failures) == ((), ())


def test_equal_answers_and_failures_are_counted():
    report = of(
        compared(answered(), answered()),
        compared(answered("abcd"), answered("abcx")),
        failed("status 529"),
        failed("refused by a rule"),
        failed("status 529"),
    )

    assert (report.asked, report.compared, report.equal) == (5, 2, 1)
    assert report.failures == (
        RequestCounts(name="status 529", count=2),
        RequestCounts(name="refused by a rule", count=1),
    )
    assert report.similarity is not None
    assert report.similarity.mean == 0.875
    assert report.similarity.p10 == 0.75
    assert report.similarity.tenths == (0, 0, 0, 0, 0, 0, 0, 1, 0, 1)


def test_a_comparison_of_another_version_counts_as_one_that_cannot_be_read():
    older = ReplayResult(id="req_1", failure=None, comparison={"equal": True}, tokens=0)
    report = of(older)

    said = "its stored comparison cannot be read"
    assert (report.asked, report.compared) == (1, 0)
    assert report.failures == (RequestCounts(name=said, count=1),)


def test_stop_reasons_that_differ_are_named():
    report = of(
        compared(answered(), answered(stop_reason="max_tokens")),
        compared(answered(), answered(stop_reason="max_tokens")),
        compared(answered(), answered()),
    )

    assert report.same_stop_reason == 1
    [differs] = report.stop_reasons
    assert differs == StopReasons(recorded="stop_sequence", now="max_tokens", count=2)


def test_ratios_are_the_new_over_the_recorded():
    report = of(
        compared(answered("ab", seconds=2), answered("abab", seconds=1)),
        compared(answered("", seconds=0), answered("abab", seconds=1)),
    )

    assert report.lengths == Ratio(p10=2, p50=2, p90=2)
    assert report.latencies == Ratio(p10=0.5, p50=0.5, p90=0.5)


def test_adjustments_that_appear_and_go_away_are_counted():
    report = of(
        compared(answered(adjustments=("a", "b")), answered(adjustments=("b", "c"))),
        compared(answered(adjustments=("c",)), answered(adjustments=("c", "d"))),
        compared(answered(), answered(adjustments=("c",))),
    )

    assert report.adjustments == (
        AdjustmentChange(kind="c", appears=2, goes_away=0),
        AdjustmentChange(kind="a", appears=0, goes_away=1),
        AdjustmentChange(kind="d", appears=1, goes_away=0),
    )


def test_tokens_are_counted_by_model_on_either_side():
    report = of(
        compared(answered(), answered(model="n", usage=Usage(7, 3))),
        compared(answered(), answered(model="n", usage=Usage(1, 1))),
        compared(answered(), answered(model=None, usage=Usage())),
    )

    assert report.recorded == (
        ReplaySpending(model="m", answers=3, input_tokens=30, output_tokens=15, cost=60),
    )
    assert report.now == (
        ReplaySpending(model="n", answers=2, input_tokens=8, output_tokens=4, cost=None),
        ReplaySpending(model=None, answers=1, input_tokens=0, output_tokens=0, cost=None),
    )


def test_the_least_similar_are_named_and_only_a_few():
    same = compared(answered(), answered(), "equal")
    texts = ["x" * number + "y" * (20 - number) for number in range(20)]
    results = [
        compared(answered("y" * 20), answered(text), f"req_{n:02}") for n, text in enumerate(texts)
    ]
    report = of(same, *results)

    assert report.least_similar[0] == LeastSimilar(id="req_19", similarity=0.05)
    assert [least.id for least in report.least_similar] == [f"req_{n}" for n in range(19, 9, -1)]


def test_equal_answers_are_never_among_the_least_similar():
    assert of(compared(answered(), answered())).least_similar == ()


@pytest.mark.parametrize(
    ("numbers", "share", "quantile"),
    [([1], 0.1, 1), (range(1, 11), 0.1, 1), (range(1, 11), 0.5, 5), ([3, 1, 2], 0.9, 3)],
)
def test_a_quantile_is_the_smallest_number_that_so_many_are_not_above(numbers, share, quantile):
    distribution = Distribution()
    for number in numbers:
        distribution.add(number)

    assert distribution.quantile(share) == quantile
