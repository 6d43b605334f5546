"""Shadows over time, and the worst of them."""

from proxy.report.agreement import SIMILAR, Agreement, agreements_of, worst_of
from proxy.traffic.store.shadow_queries import SeenShadow

HOUR = 3_600_000
NOON = 1_795_392_000_000 + 12 * HOUR  # of 2026-11-23


def seen(similarity=1.0, ended_ms=NOON, *, leg="shadow", rule="canary", name="a"):
    return SeenShadow(name, leg, ended_ms, rule, similarity == 1.0, similarity)


def test_shadows_and_controls_are_counted_by_rule_and_step_also_where_there_were_none():
    found = agreements_of(
        [
            seen(1.0),
            seen(SIMILAR),
            seen(SIMILAR - 0.01),
            seen(0.0),
            seen(None),
            seen(1.0, leg="control"),
            seen(0.2, NOON + 2 * HOUR, rule="other"),
        ],
        "hour",
        NOON,
        NOON + 2 * HOUR + 1,
    )

    assert sorted(found) == ["canary", "other"]
    first, second, third = found["canary"].steps
    assert first.shadow == Agreement(equal=1, similar=1, different=2, failed=1)
    assert first.control == Agreement(equal=1)
    assert (first.shadow.total, first.shadow.agreeing, first.control.agreeing) == (5, 0.5, 1.0)
    assert second.shadow == third.shadow == Agreement()
    assert second.shadow.agreeing is None
    assert [step.begin[11:16] for step in found["other"].steps] == ["12:00", "13:00", "14:00"]
    assert [step.shadow.different for step in found["other"].steps] == [0, 0, 1]


def test_the_worst_are_the_least_alike_and_of_equal_ones_the_newest():
    worst = worst_of(
        [
            seen(0.5, NOON, name="half"),
            seen(0.2, NOON - 1, name="older"),
            seen(0.2, NOON, name="newer"),
            seen(0.1, NOON - HOUR, name="too old"),
            seen(0.1, leg="control", name="control"),
            seen(None, name="failed"),
            seen(1.0, name="equal"),
            seen(0.9, name="more than asked for"),
        ],
        NOON - 1,
        3,
    )

    assert [each.id for each in worst] == ["newer", "older", "half"]
