"""Whom a share takes is what the rules themselves would decide, as far as records tell."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.build import build_runtime_config, rollout_of
from proxy.config.settings import Settings
from proxy.console.rollout.preview import (
    Preview,
    Reach,
    looked_at,
    reach_of_rules,
    unknown_headers,
)
from proxy.rollout import Question, basis_points, bucket, decide
from proxy.rollout.rule_schema import Match
from proxy.security.redaction import CallerDigest, Digester
from proxy.traffic.store.rule_traffic import RequestGroup
from translators import CompletionRequest

NOW = datetime(2026, 11, 30, 9, 5, tzinfo=UTC)
NAMES = tuple(f"support-{number}" for number in range(12))
CALLERS = {name: {"token": f"sha256:{number:064x}"} for number, name in enumerate(NAMES)}


def settings(*rules: dict[str, Any], **fields: Any) -> Settings:
    given: dict[str, Any] = {"callers": CALLERS, "upstream_key": "k", "legacy_url": "http://x"}
    named: list[Any] = [{"action": "translate"} | rule for rule in rules]
    return Settings(rollout=tuple(named), **(given | fields))


def group(caller_name: str | None = None, exchanges: int = 1, **fields: Any) -> RequestGroup:
    plain: dict[str, Any] = {
        "caller": "0123456789abcdef",
        "rule": None,
        "readable": True,
        "asked_model": "claude-2.1",
        "user_agent": "python",
        "version": "2023-06-01",
        "streamed": False,
    }
    return RequestGroup(caller_name=caller_name, exchanges=exchanges, **(plain | fields))


def reach(
    given: Settings, *groups: RequestGroup, tripped: frozenset[str] = frozenset()
) -> dict[str, Reach]:
    return reach_of_rules(given, rollout_of(given), groups, tripped=tripped, now=NOW)


def names(callers: Any) -> set[str]:
    return {caller.name for caller in callers}


@given(share=st.integers(0, 10_000), first=st.integers(0, 10_000))
def test_the_callers_of_a_share_are_those_that_the_rules_decide(share: int, first: int):
    given = settings(
        {"name": "first", "share": first / 100, "match": {"model": "claude-2*"}},
        {"name": "second", "share": share / 100, "match": {"caller": "support-*"}},
    )
    config = build_runtime_config(given, Digester("k"))
    decided: dict[str, set[str]] = {"first": set(), "second": set()}
    for name in NAMES:
        decision = decide(
            config.rollout,
            Question(
                caller=config.keyring.absent(
                    name=name, digest=CallerDigest("0" * 16), identity=name.encode()
                ),
                headers=[],
                request=CompletionRequest(model="claude-2.1", prompt="x", max_tokens_to_sample=1),
                now=NOW,
            ),
        )
        if decision.rule is not None:
            decided[decision.rule.name].add(name)
    reached = reach(given, *map(group, NAMES))

    assert {
        rule.name: names(reached[rule.name].taken(basis_points(rule.share)))
        for rule in given.rollout
    } == decided


def test_who_comes_in_and_who_goes_out_is_named():
    given = settings({"name": "canary", "share": 30})
    reached = reach(given, *map(group, NAMES))["canary"]
    inside = {name for name in NAMES if bucket("canary", name.encode()) < 3_000}
    all_inside = {name for name in NAMES if bucket("canary", name.encode()) < 7_000}
    more = Preview(reach=reached, before=30, after=70)
    less = Preview(reach=reached, before=70, after=30)

    assert (names(more.entering), names(more.leaving)) == (all_inside - inside, set())
    assert (names(less.entering), names(less.leaving)) == (set(), all_inside - inside)
    assert names(more.taken) == all_inside
    assert more.part_before == pytest.approx(len(inside) / len(NAMES))
    assert more.part_after == pytest.approx(len(all_inside) / len(NAMES))


def test_a_caller_is_in_from_the_share_that_is_said():
    given = settings({"name": "canary"})
    [caller] = reach(given, group("support-1"))["canary"].callers
    assert caller.enters_at is not None

    assert caller.chance(basis_points(caller.enters_at)) == 1
    assert caller.chance(basis_points(caller.enters_at) - 1) == 0


@pytest.mark.parametrize("by", ["prompt", "user_id", "random"])
def test_a_share_that_is_not_dealt_by_callers_is_expected_of_all(by: str):
    given = settings({"name": "canary", "share": 25, "by": by})
    reached = reach(given, group("support-1"), group(None))["canary"]

    assert [caller.enters_at for caller in reached.callers] == [None, None]
    assert reached.part(2_500) == 0.25
    assert reached.taken(2_500) == ()
    assert names(reached.taken(10_000)) == {"support-1", "0123456789abcdef"}


def test_a_caller_without_a_name_counts_in_part_and_one_that_got_a_name_since_does_not():
    given = settings(
        {"name": "canary", "share": 25},
        callers={"new": {"digest": "0123456789abcdef"}},
        digest_key="d",
        upstream_key=None,
    )
    reached = reach(given, group(None), group("gone", caller="f" * 16), group(None, caller=None))
    by_name = {caller.name: caller.bucket for caller in reached["canary"].callers}

    assert by_name == {"new": bucket("canary", b"new"), "f" * 16: None, "no key": None}
    assert reached["canary"].nameless == 2


def test_only_what_fits_the_patterns_reaches_a_rule():
    given = settings(
        {"name": "model", "match": {"model": "claude-2*"}},
        {"name": "agent", "match": {"user_agent": "py*"}},
        {"name": "version", "match": {"anthropic_version": "none"}},
        {"name": "header", "match": {"header": {"User-Agent": "node", "Anthropic-Version": "*"}}},
        {"name": "stream", "match": {"streamed": True}},
    )
    reached = reach(
        given,
        group("support-0", 1),
        group("support-1", 2, asked_model="claude-instant-1"),
        group("support-2", 4, asked_model="m", user_agent="curl", version=None),
        group("support-3", 8, asked_model="m", user_agent="node"),
        group("support-4", 16, asked_model="m", user_agent=None, streamed=True),
        group("support-5", 32, asked_model=None, user_agent=None, readable=False),
    )

    assert {name: each.exchanges for name, each in reached.items()} == {
        "model": 1,
        "agent": 2,
        "version": 4,
        "header": 8,
        "stream": 16,
    }


def test_groups_that_no_pattern_tells_apart_are_counted_together():
    given = settings({"name": "agent", "match": {"user_agent": "py*"}})
    groups = (group("support-1", user_agent=f"python/{number}") for number in range(50))
    others = (group("support-1", user_agent=f"node/{number}") for number in range(50))

    assert reach(given, *groups, *others)["agent"].exchanges == 50


def test_a_header_that_no_record_has_is_assumed_to_fit_and_takes_nothing_from_later_rules():
    given = settings(
        {"name": "team", "match": {"header": {"x-team": "search"}}},
        {"name": "rest", "share": 50},
    )
    reached = reach(given, group("support-1"), group("support-2", rule="team"))

    assert names(reached["team"].callers) == {"support-1", "support-2"}
    assert names(reached["rest"].callers) == {"support-1"}


def test_a_tripped_rule_and_one_between_brown_outs_let_everything_pass():
    def brown_out(start: str) -> dict[str, Any]:
        return {"action": "refuse", "campaign": {"brown_outs": [{"start": start, "minutes": 15}]}}

    given = settings(
        {"name": "tripped", "guard": {"errors_above": 5.0}},
        {"name": "later", **brown_out("2026-12-01T09:00:00Z")},
        {"name": "now", **brown_out("2026-11-30T09:00:00Z")},
        {"name": "rest"},
    )
    reached = reach(given, group("support-1"), tripped=frozenset({"tripped"}))

    assert {name: each.exchanges for name, each in reached.items()} == {
        "tripped": 1,
        "later": 1,
        "now": 1,
        "rest": 0,
    }
    assert reached["rest"].part(5_000) is None


def test_only_the_columns_that_rules_look_at_are_read():
    given = settings(
        {"name": "a", "share": 1, "match": {"model": "m", "streamed": True}},
        {"name": "b", "share": 1, "match": {"user_agent": "u", "anthropic_version": "v"}},
    )
    headers = settings({"name": "c", "match": {"header": {"User-Agent": "*", "x-team": "*"}}})

    assert looked_at(given) == {"asked_model", "user_agent", "version", "streamed"}
    assert looked_at(headers) == {"user_agent"}
    assert unknown_headers(Match(header={"User-Agent": "*", "x-team": "*"})) == ("x-team",)
