from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.setting_errors import describe_problem
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
    said = describe_problem(error, RuleSettings)
    return ".".join(map(str, said.place)), said.sentence


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
        ({"share": "25"}, "share", "must be a number"),
        ({"share": True}, "share", "must be a number"),
        ({"match": {"streamed": "yes"}}, "match.streamed", "must be `true` or `false`"),
        ({"match": {"streamed": 1}}, "match.streamed", "must be `true` or `false`"),
        ({"match": {"model": 2}}, "match.model", "must be a text"),
        ({"match": {"header": {"X": 1}}}, "match.header.X", "must be a text"),
        ({"match": "x"}, "match", "must be a table"),
        ({"name": 5}, "name", "must be a text"),
        (
            {"refuse": ["map_model", "x"]},
            "refuse.1",
            "must be one of `add_assistant_turn`, `add_leading_newlines`",
        ),
        # Names are closed sets.
        ({"shaer": 5}, "", "unknown setting `shaer`; did you mean `share`?"),
        ({"match": {"modle": "x"}}, "match", "unknown setting `modle`; did you mean `model`?"),
        ({"action": "send"}, "action", "must be one of `forward`, `refuse`, `translate`"),
        ({"share": 5, "by": "key"}, "by", "must be one of `caller`, `prompt`, `random`, `user_id`"),
        (
            {"prefill": "drop"},
            "prefill",
            "must be one of `continue`, `instruct`, `reject`",
        ),
        ({"strictness": "lax"}, "strictness", "must be one of `lenient`, `strict`"),
        ({"shadow": "refuse"}, "shadow.action", "must be one of `forward`, `translate`"),
        ({"on_failure": "refuse"}, "on_failure.action", "must be one of `forward`, `translate`"),
        ({"name": ""}, "name", "must have 1 to 64 letters"),
        ({"name": ".hidden"}, "name", "must have 1 to 64 letters"),
        ({"name": "../up"}, "name", "must have 1 to 64 letters"),
        ({"name": "a b"}, "name", "must have 1 to 64 letters"),
        ({"name": "a\n"}, "name", "must have 1 to 64 letters"),
        ({"name": "a" * 65}, "name", "must have 1 to 64 letters"),
        # Numbers have bounds.
        ({"share": -0.01}, "share", "must be at least 0"),
        ({"share": 100.01}, "share", "must be at most 100"),
        ({"share": float("inf")}, "share", "must be at most 100"),
        ({"share": float("nan")}, "share", "must be"),
        ({"share": 33.333}, "share", "has more than two decimals; round it"),
        ({"shadow": {"share": 0.001}}, "shadow.share", "has more than two decimals"),
        ({"shadow": {"daily_tokens": 0}}, "shadow.daily_tokens", "must be more than 0"),
        ({"shadow": {"daily_tokens": 1.5}}, "shadow.daily_tokens", "must be a whole number"),
        (
            {"on_failure": {"action": "forward", "timeout": 0}},
            "on_failure.timeout",
            "must be more than 0",
        ),
        ({"guard": {"errors_above": 100}}, "guard.errors_above", "must be less than 100"),
        ({"guard": {"p95_ratio": 0.9}}, "guard.p95_ratio", "must be at least 1"),
        ({"guard": {"p95_ratio": float("inf")}}, "guard.p95_ratio", "must be a finite number"),
        ({"model": ""}, "model", "must have 1 or more characters"),
        ({"prefill_model": ""}, "prefill_model", "must have 1 or more characters"),
        ({"match": {"model": ""}}, "match.model", "must have 1 or more characters"),
        # What belongs together, and what does not.
        ({"guard": {}}, "guard", "errors_above or p95_ratio: a guard needs one"),
        (
            {"by": "random"},
            "",
            "by: has no effect without share; add a share or remove it",
        ),
        (
            {"action": "forward", "model": "m"},
            "",
            'model: needs action = "translate"; change or remove it',
        ),
        (
            {"action": "refuse", "refuse": ["map_model"]},
            "",
            'refuse: needs action = "translate"; change or remove it',
        ),
        (
            {"shadow": {"action": "forward", "strictness": "strict"}},
            "shadow",
            'strictness: needs action = "translate"; change or remove it',
        ),
        (
            {"action": "refuse", "shadow": "translate"},
            "",
            'shadow: has no effect with action = "refuse"; remove it',
        ),
        (
            {"action": "refuse", "on_failure": "translate"},
            "",
            'on_failure: has no effect with action = "refuse"; remove it',
        ),
        (
            {"action": "refuse", "guard": {"errors_above": 1}},
            "",
            'guard: has no effect with action = "refuse"; remove it',
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
            "has no time zone: end it with Z, or an offset such as +02:00",
        ),
        ({"sunset": "soon"}, "campaign.sunset", "must be a date such as"),
        ({"sunset": 5}, "campaign.sunset", "must be a date, or a time with its offset"),
        (
            {"sunset": "9999-12-31T23:59:59-01:00"},
            "campaign.sunset",
            "is outside the years 1 to 9999 in UTC",
        ),
        (
            {"deprecated": "2026-01-02T00:00:00Z", "sunset": "2026-01-01T23:59:59Z"},
            "campaign",
            "sunset: must not be before deprecated",
        ),
        ({"link": "ftp://example.com"}, "campaign.link", "must be a URL that begins"),
        (
            {"link": 'https://e.com/> rel="x"'},
            "campaign.link",
            "must be a URL that begins",
        ),
        (
            {"link": "https://e.com/\r\nx: y"},
            "campaign.link",
            "must be a URL that begins",
        ),
        (
            {"brown_outs": [{"start": "2026-01-01T00:00:00Z", "minutes": 1441}]},
            "campaign.brown_outs.0.minutes",
            "must be at most 1440",
        ),
        (
            {"brown_outs": [{"start": "2026-01-01T00:00:00Z", "minutes": 5, "every": "month"}]},
            "campaign.brown_outs.0.every",
            "must be one of `day`, `week`",
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


def test_headers_to_match_are_a_table():
    place, sentence = problem(match={"header": "x-team"})

    assert place == "match.header"
    assert "table" in sentence
