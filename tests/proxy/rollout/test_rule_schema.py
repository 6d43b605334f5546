from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.rollout.rule_schema import (
    BrownOut,
    Campaign,
    FallbackSettings,
    Guard,
    Match,
    Override,
    OverrideSettings,
    RuleSettings,
    ShadowSettings,
)
from translators import AdjustmentKind

TWO_HOURS_EAST = timezone(timedelta(hours=2))


def rule(**fields):
    return RuleSettings.model_validate({"name": "r", "action": "translate"} | fields)


def problem(**fields):
    """What is wrong with a rule: the place, and the sentence."""
    with pytest.raises(ValidationError) as caught:
        rule(**fields)
    (error,) = caught.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


def test_a_rule_says_little_and_means_everything_by_the_rest():
    assert rule() == RuleSettings(
        name="r",
        action="translate",
        model=None,
        prefill=None,
        prefill_model=None,
        strictness=None,
        refuse=frozenset(),
        match=Match(),
        share=100,
        by=None,
        shadow=None,
        on_failure=None,
        guard=None,
        campaign=Campaign(),
    )


def test_a_whole_rule():
    written = rule(
        match={"model": "claude-2*", "header": {"X-Team": "ads"}, "streamed": True},
        share=12.5,
        by="user_id",
        model="claude-haiku-4-5",
        prefill="reroute",
        prefill_model="claude-sonnet-4-5",
        strictness="strict",
        refuse=["map_model", "emulate_stop_sequence"],
        shadow={"share": 1, "model": "m", "control": True, "daily_tokens": 5},
        on_failure={"action": "forward", "timeout": 2},
        guard={"errors_above": 0, "p95_ratio": 1, "window": 1, "min_count": 1},
        campaign={
            "deprecated": "2026-01-01T00:00:00Z",
            "sunset": "2027-01-01T00:00:00Z",
            "link": "https://example.com/move",
            "brown_outs": [{"start": "2026-06-01T10:00:00+02:00", "minutes": 5, "every": "week"}],
        },
    )

    assert written.refuse == {AdjustmentKind.MAP_MODEL, AdjustmentKind.EMULATE_STOP_SEQUENCE}
    assert written.match == Match(model="claude-2*", header={"X-Team": "ads"}, streamed=True)
    assert written.shadow == ShadowSettings(share=1, model="m", control=True, daily_tokens=5)
    assert written.on_failure == FallbackSettings(action="forward", timeout=2)
    assert written.guard == Guard(errors_above=0, p95_ratio=1, window=1, min_count=1)
    assert written.campaign == Campaign(
        deprecated=datetime(2026, 1, 1, tzinfo=UTC),
        sunset=datetime(2027, 1, 1, tzinfo=UTC),
        link="https://example.com/move",
        brown_outs=(BrownOut(start=datetime(2026, 6, 1, 8, tzinfo=UTC), minutes=5, every="week"),),
    )


def test_a_refusal_needs_nothing_else():
    assert rule(action="refuse").action == "refuse"


def test_one_word_is_a_leg():
    written = rule(shadow="forward", on_failure="forward")

    assert written.shadow == ShadowSettings(action="forward")
    assert written.on_failure == FallbackSettings(action="forward")


@pytest.mark.parametrize(
    ("fields", "place", "sentence"),
    [
        # Types are strict.
        ({"share": "25"}, "share", "Input should be a valid number"),
        ({"share": True}, "share", "Input should be a valid number"),
        ({"match": {"streamed": "yes"}}, "match.streamed", "Input should be a valid boolean"),
        ({"match": {"streamed": 1}}, "match.streamed", "Input should be a valid boolean"),
        ({"match": {"model": 2}}, "match.model", "Input should be a valid string"),
        ({"match": {"header": {"X": 1}}}, "match.header.X", "Input should be a valid string"),
        ({"match": "x"}, "match", "Input should be a valid dictionary or instance of Match"),
        ({"name": 5}, "name", "Input should be a valid string"),
        (
            {"refuse": ["map_model", "x"]},
            "refuse.1",
            "Input should be 'replace_retired_model', 'replace_gone_model', 'map_model'",
        ),
        # Names are closed sets.
        ({"shaer": 5}, "shaer", "Extra inputs are not permitted"),
        ({"match": {"modle": "x"}}, "match.modle", "Extra inputs are not permitted"),
        ({"action": "send"}, "action", "Input should be 'translate', 'forward' or 'refuse'"),
        ({"share": 5, "by": "key"}, "by", "Input should be 'caller', 'user_id', 'prompt' or"),
        ({"prefill": "drop"}, "prefill", "Input should be 'continue', 'instruct', 'reroute' or"),
        ({"strictness": "lax"}, "strictness", "Input should be 'strict' or 'lenient'"),
        ({"shadow": "refuse"}, "shadow.action", "Input should be 'translate' or 'forward'"),
        ({"on_failure": "refuse"}, "on_failure.action", "Input should be 'translate' or 'forward'"),
        ({"name": ""}, "name", "String should match pattern"),
        ({"name": ".hidden"}, "name", "String should match pattern"),
        ({"name": "../up"}, "name", "String should match pattern"),
        ({"name": "a b"}, "name", "String should match pattern"),
        ({"name": "a\n"}, "name", "String should match pattern"),
        ({"name": "a" * 65}, "name", "String should match pattern"),
        # Numbers have bounds.
        ({"share": -0.01}, "share", "Input should be greater than or equal to 0"),
        ({"share": 100.01}, "share", "Input should be less than or equal to 100"),
        ({"share": float("inf")}, "share", "Input should be less than or equal to 100"),
        ({"share": float("nan")}, "share", "Input should be"),
        ({"share": 33.333}, "share", "Value error, has more than two decimals; round it"),
        ({"shadow": {"share": 0.001}}, "shadow.share", "Value error, has more than two decimals"),
        ({"shadow": {"daily_tokens": 0}}, "shadow.daily_tokens", "Input should be greater than 0"),
        ({"shadow": {"daily_tokens": 1.5}}, "shadow.daily_tokens", "Input should be a valid int"),
        (
            {"on_failure": {"action": "forward", "timeout": 0}},
            "on_failure.timeout",
            "Input should be greater than 0",
        ),
        ({"guard": {"errors_above": 100}}, "guard.errors_above", "Input should be less than 100"),
        ({"guard": {"p95_ratio": 0.9}}, "guard.p95_ratio", "Input should be greater than or"),
        ({"guard": {"p95_ratio": float("inf")}}, "guard.p95_ratio", "Input should be a finite"),
        ({"model": ""}, "model", "String should have at least 1 character"),
        ({"prefill_model": ""}, "prefill_model", "String should have at least 1 character"),
        ({"match": {"model": ""}}, "match.model", "String should have at least 1 character"),
        # What belongs together, and what does not.
        ({"guard": {}}, "guard", "Value error, errors_above or p95_ratio: a guard needs one"),
        (
            {"by": "random"},
            "",
            "Value error, by: has no effect without share; add a share or remove it",
        ),
        (
            {"action": "forward", "model": "m"},
            "",
            'Value error, model: needs action = "translate"; change or remove it',
        ),
        (
            {"action": "refuse", "refuse": ["map_model"]},
            "",
            'Value error, refuse: needs action = "translate"; change or remove it',
        ),
        (
            {"shadow": {"action": "forward", "strictness": "strict"}},
            "shadow",
            'Value error, strictness: needs action = "translate"; change or remove it',
        ),
        (
            {"action": "refuse", "shadow": "translate"},
            "",
            'Value error, shadow: has no effect with action = "refuse"; remove it',
        ),
        (
            {"action": "refuse", "on_failure": "translate"},
            "",
            'Value error, on_failure: has no effect with action = "refuse"; remove it',
        ),
        (
            {"action": "refuse", "guard": {"errors_above": 1}},
            "",
            'Value error, guard: has no effect with action = "refuse"; remove it',
        ),
    ],
)
def test_what_a_rule_cannot_be_is_refused_where_it_is_written(fields, place, sentence):
    where, what = problem(**fields)

    assert where == place
    assert what.startswith(sentence)


@pytest.mark.parametrize(
    ("fields", "place", "sentence"),
    [
        (
            {"sunset": "2026-01-01T00:00:00"},
            "campaign.sunset",
            "Value error, has no time zone: end it with Z, or an offset such as +02:00",
        ),
        ({"sunset": "soon"}, "campaign.sunset", "Value error, Invalid isoformat string: 'soon'"),
        ({"sunset": 5}, "campaign.sunset", "Input should be a valid datetime"),
        (
            {"sunset": "9999-12-31T23:59:59-01:00"},
            "campaign.sunset",
            "Value error, is outside the years 1 to 9999 in UTC",
        ),
        (
            {"deprecated": "2026-01-02T00:00:00Z", "sunset": "2026-01-01T23:59:59Z"},
            "campaign",
            "Value error, sunset: must not be before deprecated",
        ),
        ({"link": "ftp://example.com"}, "campaign.link", "String should match pattern"),
        ({"link": 'https://e.com/> rel="x"'}, "campaign.link", "String should match pattern"),
        ({"link": "https://e.com/\r\nx: y"}, "campaign.link", "String should match pattern"),
        (
            {"brown_outs": [{"start": "2026-01-01T00:00:00Z", "minutes": 1441}]},
            "campaign.brown_outs.0.minutes",
            "Input should be less than or equal to 1440",
        ),
        (
            {"brown_outs": [{"start": "2026-01-01T00:00:00Z", "minutes": 5, "every": "month"}]},
            "campaign.brown_outs.0.every",
            "Input should be 'day' or 'week'",
        ),
    ],
)
def test_what_a_campaign_cannot_be_is_refused_where_it_is_written(fields, place, sentence):
    where, what = problem(campaign=fields)

    assert where == place
    assert what.startswith(sentence)


@pytest.mark.parametrize(
    "written",
    [
        datetime(2026, 9, 1, tzinfo=UTC),
        datetime(2026, 9, 1, tzinfo=UTC).date(),
        datetime(2026, 9, 1, 2, tzinfo=TWO_HOURS_EAST),
        "2026-09-01T00:00:00Z",
        "2026-09-01T02:00+02:00",
        "2026-09-01",
    ],
)
def test_a_moment_is_a_time_with_its_offset_or_the_beginning_of_a_day(written):
    assert Campaign(sunset=written).sunset == datetime(2026, 9, 1, tzinfo=UTC)


def test_a_version_need_not_be_quoted():
    day = datetime(2023, 6, 1, tzinfo=UTC).date()

    assert Match.model_validate({"anthropic_version": day}).anthropic_version == "2023-06-01"


@pytest.mark.parametrize("points", [0, 1, 29, 1_001, 3_333, 5_755, 9_999, 10_000])
def test_a_share_has_two_decimals(points):
    assert rule(share=points / 100).share == points / 100


def test_one_word_is_an_override():
    override = TypeAdapter(Override).validate_python("refuse")

    assert override == OverrideSettings(action="refuse")
