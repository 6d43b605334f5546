"""What rules have decided lately, on both engines."""

from datetime import UTC, datetime

from proxy.traffic.store.rule_traffic import (
    Decided,
    NewestRequests,
    RequestGroup,
    decided_by_rule,
    newest_requests,
)
from tests.ready_store import open_ready
from tests.record_factory import record

NINE = int(datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000


def entries():
    for number in range(6):
        yield record(
            id=f"req_{number:024}",
            received=f"2026-11-23T0{9 if number else 7}:0{number}:00.000+00:00",
            caller_name="support" if number % 2 else None,
            rule="canary" if number < 4 else None,
            status=500 if number == 3 else 200,
            asked_model=None if number == 5 else "claude-2.1",
            user_agent=f"agent/{number}",
        )


def test_what_each_rule_has_decided_is_counted_from_the_sums(url: str):
    store = open_ready(url)
    store.add(entries())
    found = decided_by_rule(store, NINE, NINE + HOUR)
    store.close()

    assert found == {"canary": Decided(3, 1), None: Decided(2, 0)}


def test_the_newest_requests_are_grouped_by_what_rules_look_at(url: str):
    store = open_ready(url)
    store.add(entries())
    plain = newest_requests(store, NINE, 5, ())
    three = newest_requests(store, NINE, 3, {"asked_model", "user_agent", "version", "streamed"})
    store.close()

    def group(name: str | None, rule: str | None, exchanges: int, *, readable: bool = True):
        return RequestGroup(
            caller="0123456789abcdef",
            caller_name=name,
            rule=rule,
            readable=readable,
            asked_model=None,
            user_agent=None,
            version=None,
            streamed=None,
            exchanges=exchanges,
        )

    assert plain.has_more is False
    assert set(plain.groups) == {
        group("support", "canary", 2),
        group(None, "canary", 1),
        group(None, None, 1),
        group("support", None, 1, readable=False),
    }
    assert three.has_more is True
    assert {(each.user_agent, each.asked_model, each.streamed) for each in three.groups} == {
        ("agent/3", "claude-2.1", False),
        ("agent/4", "claude-2.1", False),
        ("agent/5", None, False),
    }


def test_an_empty_store_has_neither(url: str):
    store = open_ready(url)

    assert decided_by_rule(store, NINE, NINE + HOUR) == {}
    assert newest_requests(store, NINE, 5, ()) == NewestRequests(groups=(), has_more=False)
    store.close()
