from datetime import UTC, datetime

from proxy.console.rollout.calendar import calendar_of
from proxy.rollout.rule_schema import RuleSettings

NOW = datetime(2026, 11, 30, 9, 5, tzinfo=UTC)


def rule(name: str, **campaign: object) -> RuleSettings:
    return RuleSettings.model_validate({"name": name, "action": "refuse", "campaign": campaign})


def test_what_goes_on_and_what_comes_is_in_the_order_of_time():
    rules = [
        rule(
            "weekly",
            deprecated="2026-12-01",
            sunset="2027-06-01",
            brown_outs=[{"start": "2026-11-23T09:00:00Z", "minutes": 15, "every": "week"}],
        ),
        rule("night", brown_outs=[{"start": "2026-12-02T23:50:00Z", "minutes": 20}]),
        rule("over", deprecated="2026-01-01", sunset="2026-11-01"),
        rule("far", brown_outs=[{"start": "2027-03-01T00:00:00Z", "minutes": 5}]),
        rule("plain"),
    ]

    assert [(each.rule, each.time, each.is_now) for each in calendar_of(rules, NOW)] == [
        ("over", "Sun 01 Nov 2026, 00:00", True),
        ("weekly", "Mon 30 Nov 2026, 09:00 to 09:15", True),
        ("weekly", "Tue 01 Dec 2026, 00:00", False),
        ("night", "Wed 02 Dec 2026, 23:50 to Thu 03 Dec, 00:10", False),
        ("weekly", "Mon 07 Dec 2026, 09:00 to 09:15", False),
        ("weekly", "Mon 14 Dec 2026, 09:00 to 09:15", False),
        ("weekly", "Mon 21 Dec 2026, 09:00 to 09:15", False),
        ("weekly", "Mon 28 Dec 2026, 09:00 to 09:15", False),
        ("weekly", "Tue 01 Jun 2027, 00:00", False),
    ]
