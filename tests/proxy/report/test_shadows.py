from dataclasses import replace

import pytest

from proxy.report.model import Compared, Counted
from proxy.report.shadows import shadow_reports
from proxy.traffic.store.aggregates import ShadowGroup


def shadowed(leg: str = "shadow", similarity: float = 1.5, equal: int = 1) -> ShadowGroup:
    return ShadowGroup("risky", leg, None, 2, similarity, equal)


def test_what_is_beyond_noise_is_what_shadows_differ_more_than_controls():
    [report] = shadow_reports([shadowed(similarity=1.0), shadowed("control", 1.8, 2)])

    assert report.shadow == Compared(
        compared=2, failed=0, mean_similarity=0.5, equal_share=0.5, failures=()
    )
    assert report.control is not None
    assert (report.control.mean_similarity, report.control.equal_share) == (0.9, 1.0)
    assert (report.beyond_noise, report.equal_beyond_noise) == (0.4, 0.5)


def test_shadows_that_differ_less_than_controls_are_no_more_than_noise():
    [report] = shadow_reports([shadowed(), shadowed("control", 0.2, 0)])

    assert (report.beyond_noise, report.equal_beyond_noise) == (0.0, 0.0)


def test_without_controls_nobody_knows_the_noise():
    [report] = shadow_reports([shadowed()])

    assert (report.control, report.beyond_noise) == (None, None)


@pytest.mark.parametrize("leg", ["shadow", "control"])
def test_failures_are_counted_and_are_no_comparison(leg):
    failed = ShadowGroup("risky", leg, "status 429", 3, 0.0, 0)

    [report] = shadow_reports([failed, shadowed("shadow" if leg == "control" else "control")])

    found = report.shadow if leg == "shadow" else report.control
    assert found == Compared(
        compared=0,
        failed=3,
        mean_similarity=None,
        equal_share=None,
        failures=(Counted(name="status 429", count=3, share=1.0),),
    )
    assert report.beyond_noise is None


def test_rules_come_by_name():
    others = [replace(each, rule=rule) for rule in "ba" for each in [shadowed()]]

    assert [each.rule for each in shadow_reports(others)] == ["a", "b"]
