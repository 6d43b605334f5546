from __future__ import annotations

import json
from dataclasses import replace

from tests.benchmarks import report
from tests.benchmarks.__main__ import has_failed, parser, suites_of, without_results
from tests.benchmarks.rounds import Effort, Findings
from tests.benchmarks.samples import Failure
from tests.benchmarks.targets import TARGETS, judge
from tests.benchmarks.test_samples import SAMPLE

NAIVE = replace(SAMPLE, contender="naive", per_second=200)
BROKEN = Failure("whole", "holdover", "status 500: b'sorry'")


def suites(*arguments: str) -> list[str]:
    return suites_of(parser().parse_args(arguments))


def test_a_figure_stands_beside_its_ratio():
    row = report.figures([NAIVE, SAMPLE]).splitlines()[-1]

    cells = ["1000", "1.00", "2.00", "300.0", "350.0", "300.0", "90%", "5%", "70", "5.00", "-"]
    assert row == f"| holdover | {' | '.join(cells)} |"


def test_a_failure_is_in_the_report():
    said = report.whole(Findings(failures=(BROKEN,)), [])

    assert "FAILED: holdover, whole: status 500: b'sorry'" in said


def test_a_check_says_what_it_did_not_measure():
    judged = judge({"whole: CPU : bare": 2.5}, TARGETS)

    said = report.whole(Findings(), judged)

    assert "| 2.50 x | MISS |" in said
    assert f"1 of {len(TARGETS)} targets were measured." in said
    assert said.count("not measured in this run") == len(TARGETS) - 1


def test_a_run_can_be_read_by_programs():
    found = Findings((SAMPLE,), {"whole: CPU : bare": 2.5}, (BROKEN,), ("a note",))

    read = json.loads(report.as_json(found, judge(found.measured, TARGETS), Effort()))

    assert read["samples"][0]["cpu_us"] == 300
    assert [one["why"] for one in read["failures"]] == ["status 500: b'sorry'"]
    verdicts = {one["target"]: one["verdict"] for one in read["targets"]}
    assert verdicts["whole: CPU : bare"] == "miss"
    assert verdicts["whole: requests/s : naive"] == "not_measured"


def test_who_failed_has_no_results_even_from_before():
    found = Findings(measured={"whole: CPU : bare": 1.5}, failures=(BROKEN,))

    assert has_failed(found)
    assert without_results(found, "whole").measured == {
        "whole: CPU : bare": None,
        "whole: requests/s : naive": None,
    }


def test_what_others_fail_at_is_not_our_failure():
    assert not has_failed(Findings(failures=(replace(BROKEN, contender="litellm"),)))


def test_a_comparison_has_those_loads_that_all_can_bear():
    assert suites() == ["whole", "latency", "bursts", "paced"]


def test_a_check_has_everything_but_the_soak_which_has_to_be_asked_for():
    assert "soak" not in suites("check")
    assert suites("check", "--only", "size", "--soak", "10") == ["size", "soak"]
