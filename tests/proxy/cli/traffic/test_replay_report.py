"""What a replay would take, and what it came to, in lines for people."""

from typing import Any

import pytest

from proxy.cli.traffic.replay_report import estimate_lines, report_lines
from proxy.comparison.compare import Comparison
from proxy.replay import Forecast, ModelForecast, build_replay_report
from proxy.report.prices import Price
from proxy.traffic.store.replay_results import ReplayPlan, ReplayResult

PRICES = {"m": Price(1_000_000, 1_000_000), "n": Price(0.01, 0.01)}


def estimate(*models: ModelForecast, refused: int = 0, **numbers: int) -> list[str]:
    plain = {"exchanges": 9, "unanswered": 0, "without_content": 0, "done": 0}
    found = ReplayPlan(**(plain | numbers))
    return list(estimate_lines(found, Forecast(models, refused), PRICES))


def compared(id_: str = "req_1", **fields: Any) -> ReplayResult:
    plain: dict[str, Any] = {
        "equal": False,
        "similarity": 0.55,
        "same_stop_reason": True,
        "stop_reasons": ("stop_sequence", "stop_sequence"),
        "characters": (10, 20),
        "milliseconds": (10.0, 5.0),
        "models": ("m", "n"),
        "input_tokens": (1, 2),
        "output_tokens": (3, 4),
        "adjustments": ((), ()),
    }
    comparison = Comparison(**(plain | fields)).as_fields()
    return ReplayResult(id=id_, failure=None, comparison=comparison, tokens=6)


def report(*results: ReplayResult) -> list[str]:
    return list(report_lines(build_replay_report("r", results, PRICES)))


def test_an_estimate_of_nothing_is_short():
    assert estimate() == [
        "  found             9 requests",
        "  to ask            0 requests",
    ]


def test_an_estimate_says_what_is_left_out_and_what_is_left():
    lines = estimate(
        *(ModelForecast("m", 1, 2, 3, 1000), ModelForecast(None, 1, 1, 1, 1)),
        refused=2,
        unanswered=1,
        without_content=2,
        done=3,
    )

    assert lines == [
        "  found             9 requests",
        "                    1 got no answer, so there is nothing to compare with",
        "                    2 have no content (see the setting `capture`)",
        "                    3 were done before under this name",
        "  to ask            4 requests",
        "                    2 are refused by a rule, or not translatable, and so not sent",
        "                    1 of m",
        "                    1 of a legacy upstream",
        "  input tokens      about 3",
        "  output tokens     about 4, at most 1,001",
        "  cost              about $5.00, at most $1,002.00 (not known for a legacy upstream)",
    ]


def test_an_estimate_of_what_is_refused_costs_nothing():
    assert estimate(refused=1)[-2:] == [
        "  to ask            1 request",
        "                    1 is refused by a rule, or not translatable, and so not sent",
    ]


def test_of_many_models_the_busiest_are_named():
    lines = estimate(*(ModelForecast(f"m{n}", 20 - n, 1, 1, 1) for n in range(10)))

    assert lines[-5:-3] == [
        "                    13 of m7",
        "                    23 of other models",
    ]


@pytest.mark.parametrize(
    ("models", "cost"),
    [
        (("m", "m"), "about $10.00, at most $10.00"),
        (("m", "x"), "about $5.00, at most $5.00 (not known for x)"),
        (("x", None), "(not known for a legacy upstream, x)"),
        (("n", "n"), "about $0.0000, at most $0.0000"),
        (("\x1b[2J",), "(not known for \\u001b[2J)"),
    ],
)
def test_costs_are_of_the_models_whose_price_is_known(models, cost):
    lines = estimate(*(ModelForecast(name, 1, 2, 3, 3) for name in models))

    assert lines[-1] == f"  cost              {cost}"


def test_a_report_of_failures_alone_says_no_more():
    failed = ReplayResult(id="req_1", failure="status 529", comparison=None, tokens=0)

    assert report(failed) == [
        "Replay r: 1 request replayed, 1 failed",
        "  failed            1 status 529",
    ]


def test_a_report_says_how_the_answers_differ():
    lines = report(
        compared(),
        compared("req_2", equal=True, similarity=1.0, models=(None, "m")),
        compared(
            "req_3",
            similarity=0.05,
            same_stop_reason=False,
            stop_reasons=("stop_sequence", "max_tokens"),
            adjustments=(("a",), ("b",)),
        ),
    )

    assert lines[0] == "Replay r: 3 requests replayed, 0 failed"
    assert "  equal             1 of 3" in lines
    assert "  similarity        0.533 on average; a tenth is at most 0.050" in lines
    assert f"                    0.5 to 0.6  {'#' * 40}  1" in lines
    assert f"                    0.6 to 0.7  {' ' * 40}  0" in lines
    assert "  stop reason       2 of 3 the same" in lines
    assert "                    1 stop_sequence, now max_tokens" in lines
    assert "  length            x 2.00 (a tenth below x 2.00, a tenth above x 2.00)" in lines
    assert "  latency           x 0.50 (a tenth below x 0.50, a tenth above x 0.50)" in lines
    assert "  recorded          2 answers of m: 2 input and 6 output tokens, $8.00" in lines
    assert "  recorded          1 answer of a legacy upstream: 1 input and 3 output tokens" in lines
    assert "  now               2 answers of n: 4 input and 8 output tokens, $0.0000" in lines
    assert "  adjustment        a appears in 0, goes away in 1" in lines
    assert "  adjustment        b appears in 1, goes away in 0" in lines
    assert lines[-2:] == [
        "  least similar     0.05  holdover show req_3",
        "  least similar     0.55  holdover show req_1",
    ]


def test_answers_without_any_text_have_no_ratio_and_all_the_rest():
    lines = report(compared(equal=True, characters=(0, 0)))

    assert "  equal             1 of 1" in lines
    assert not any("length" in line for line in lines)
