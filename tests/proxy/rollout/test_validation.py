from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings
from proxy.rollout import validate_rules
from proxy.rollout.rule_schema import OverrideSettings, RuleSettings
from proxy.rollout.validation import _pattern_covers

DIGEST = "0123456789abcdef"


def rule(name="a", **fields):
    return RuleSettings.model_validate({"name": name, "action": "translate"} | fields)


def found(*rules, override=None, has_legacy_url=True, callers=(), keeps_digests=True):
    findings = validate_rules(
        rules,
        override,
        has_legacy_url=has_legacy_url,
        callers=callers if isinstance(callers, dict) else dict.fromkeys(callers),
        keeps_digests=keeps_digests,
    )
    return [(".".join(map(str, place)), sentence) for place, sentence in findings]


def never(name="a"):
    return f"can never match: {name!r} takes all of its requests"


def test_without_rules_there_is_nothing_wrong():
    assert found() == []


def test_two_rules_of_one_name_would_share_one_fate():
    assert found(rule(share=5), rule("b", share=5), rule(share=5)) == [
        ("rollout.2.name", "an earlier rule is named 'a' too; rename one")
    ]


@pytest.mark.parametrize(
    ("first", "second", "is_dead"),
    [
        ({}, {}, True),
        ({}, {"match": {"model": "x"}}, True),
        ({"match": {"model": "x"}}, {}, False),
        ({"match": {"model": "claude-2*"}}, {"match": {"model": "claude-2.1"}}, True),
        ({"match": {"model": "claude-2.1"}}, {"match": {"model": "claude-2*"}}, False),
        ({"match": {"model": "*"}}, {"match": {"model": "[ab]"}}, False),
        ({"match": {"model": "[ab]"}}, {"match": {"model": "[ab]"}}, True),
        ({"match": {"user_agent": "*"}}, {"match": {"model": "x"}}, False),
        ({"match": {"streamed": True}}, {"match": {"streamed": True}}, True),
        ({"match": {"streamed": True}}, {"match": {"streamed": False}}, False),
        ({"match": {"streamed": True}}, {}, False),
        ({}, {"match": {"streamed": True}}, True),
        (
            {"match": {"header": {"x-app": "*"}}},
            {"match": {"header": {"x-app": "ads", "x-team": "b"}}},
            True,
        ),
        ({"match": {"header": {"x-app": "*"}}}, {"match": {"header": {"x-team": "b"}}}, False),
        ({"match": {"model": "x"}}, {"match": {"model": "x", "key": DIGEST}}, True),
        ({"match": {"model": "x", "key": DIGEST}}, {"match": {"model": "x"}}, False),
        # What does not take all of its requests, or may be turned back any moment.
        ({"share": 99.99}, {}, False),
        ({"share": 100}, {}, False),
        ({"guard": {"errors_above": 1}}, {}, False),
        ({"action": "refuse"}, {}, True),
        (
            {
                "action": "refuse",
                "campaign": {"brown_outs": [{"start": "2026-09-01", "minutes": 5}]},
            },
            {},
            False,
        ),
        (
            {"campaign": {"brown_outs": [{"start": "2026-09-01", "minutes": 5}]}},
            {},
            True,
        ),
    ],
)
def test_a_rule_behind_one_that_takes_all_of_its_requests_can_never_match(first, second, is_dead):
    problems = [("rollout.1", never())] if is_dead else []

    assert found(rule("a", **first), rule("b", **second)) == problems


def test_a_dead_rule_is_named_once_with_the_first_that_covers_it():
    rules = [rule(name, match={"model": name if name < "c" else "*"}) for name in "abc"]

    assert found(*rules, rule("d", match={"model": "b"})) == [("rollout.3", never("b"))]


@pytest.mark.parametrize(
    ("match", "beside", "problem"),
    [
        ({"key": DIGEST}, {}, None),
        ({"key": "01*"}, {}, None),
        ({"key": "[0-9]*"}, {"keeps_digests": False}, None),
        (
            {"key": DIGEST.upper()},
            {},
            "key: can never match: a digest has 16 lower-case hexadecimal digits",
        ),
        (
            {"key": "sk-ant-1"},
            {},
            "key: can never match: a digest has 16 lower-case hexadecimal digits",
        ),
        (
            {"key": DIGEST},
            {"keeps_digests": False},
            "key: is a digest, which needs the setting digest_key; to keep the digests",
        ),
        (
            {"caller": DIGEST},
            {"keeps_digests": False},
            "caller: is a digest, which needs the setting digest_key; to keep the digests",
        ),
        ({"caller": DIGEST}, {}, None),
        (
            {"caller": DIGEST},
            {"callers": {"ads": DIGEST}},
            "caller: can never match: this caller is named 'ads'; write its name",
        ),
        ({"caller": "ads"}, {"callers": ["ads"]}, None),
        ({"caller": "a*"}, {"callers": ["bds"]}, None),
        ({"caller": "ads"}, {}, "caller: can never match: no caller in [callers] has such a name"),
        (
            {"caller": "Ads"},
            {"callers": ["ads"]},
            "caller: can never match: no caller in [callers] has such a name; did you mean `ads`?",
        ),
    ],
)
def test_callers_and_keys_that_cannot_be_met_are_refused(match, beside, problem):
    problems = found(rule(match=match), **beside)

    assert bool(problems) is (problem is not None)
    for place, sentence in problems:
        assert f"{place}: {sentence}".startswith(f"rollout.0.match.{problem}")


def test_a_leg_that_forwards_needs_somewhere_to_forward_to():
    forward = rule(action="forward")
    shadowed = rule("b", match={"model": "b"}, shadow="forward")
    retried = rule("c", match={"model": "c"}, on_failure="forward")
    override = OverrideSettings(action="forward")

    rules = (shadowed, retried, forward)
    sentence = "forward needs the setting legacy_url"
    assert found(*rules, override=override, has_legacy_url=False) == [
        ("rollout.0.shadow.action", sentence),
        ("rollout.1.on_failure.action", sentence),
        ("rollout.2.action", sentence),
        ("rollout_override.action", sentence),
    ]
    assert found(*rules, override=override) == []


def test_rerouting_needs_a_model_to_reroute_to():
    reroute = {"action": "translate", "prefill": "reroute"}
    override = OverrideSettings(action="translate", prefill="reroute")

    assert found(rule(prefill="reroute", shadow=reroute), override=override) == [
        ("rollout.0.prefill", "reroute needs prefill_model in the same table"),
        ("rollout.0.shadow.prefill", "reroute needs prefill_model in the same table"),
        ("rollout_override.prefill", "reroute needs prefill_model in the same table"),
    ]
    assert found(rule(prefill="reroute", prefill_model="m")) == []


@pytest.mark.parametrize(
    ("fields", "is_same"),
    [
        ({"on_failure": "translate"}, True),
        ({"model": "m", "on_failure": {"action": "translate", "model": "m", "timeout": 5}}, True),
        ({"model": "m", "on_failure": "translate"}, False),
        ({"action": "forward", "on_failure": "forward"}, True),
        ({"action": "forward", "on_failure": "translate"}, False),
    ],
)
def test_what_has_just_failed_is_no_second_try(fields, is_same):
    problems = (
        [("rollout.0.on_failure", "repeats the route that has just failed; choose another")]
        if is_same
        else []
    )

    assert found(rule(**fields)) == problems


def test_shares_of_the_same_requests_are_of_one_whole():
    match = {"model": "claude-2*"}
    rules = [
        rule("a", share=60, match=match),
        rule("b", share=60),
        rule("c", share=40.01, match=match),
        rule("d", match=match),
    ]

    assert found(*rules) == [
        (
            "rollout.2.share",
            "'a', 'c' match the same requests, and their shares add up to 100.01 %",
        )
    ]


@given(st.lists(st.integers(1, 9_999), min_size=1, max_size=5, unique=True).map(sorted))
@example([476, 6_916])  # 4.76 + 64.4 + 30.84 is more than 100 to a float
def test_shares_that_come_to_exactly_all_are_never_too_many(cuts):
    points = [end - begin for begin, end in zip([0, *cuts], [*cuts, 10_000], strict=True)]
    rules = [rule(f"r{n}", share=point / 100) for n, point in enumerate(points)]

    assert found(*rules) == []
    assert len(found(*rules, rule("more", share=0.01))) == 1


patterns = st.text("ab*?[!]", max_size=5)
models = st.text("ab*?[!]", max_size=5)


@given(wide=patterns, narrow=patterns, models=st.lists(models, max_size=5))
@example(wide="a*", narrow="a?", models=["ab"])
@example(wide="*[", narrow="a[", models=["a["])
@example(wide="*]", narrow="[a]", models=["a"])
@example(wide="*b*", narrow="*?b", models=["ab", "b"])
def test_what_is_called_covered_is(wide, narrow, models):
    if _pattern_covers(wide, narrow):
        for model in (*models, narrow):
            assert fnmatchcase(model, wide) or not fnmatchcase(model, narrow)


@given(narrow=patterns)
def test_everything_covers_itself_and_nothing_said_covers_everything(narrow):
    assert _pattern_covers(narrow, narrow)
    assert _pattern_covers(None, narrow)
    assert not _pattern_covers(narrow, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[[rollout]]\nname = 'a'\naction = 'translate'\n\n# never\n"
            "[[rollout]]\nname = 'b'\naction = 'refuse'\n",
            ["h.toml, line 6: rule \"b\": can never match: 'a' takes all of its requests"],
        ),
        (
            "[[rollout]]\nname = 'a'\naction = 'translate'\nshare = 60\n"
            "[[rollout]]\nshare = 60\nname = 'a'\naction = 'refuse'\n",
            [
                "h.toml, line 7: rollout.1.name: an earlier rule is named 'a' too; rename one",
                "h.toml, line 6: rollout.1.share: 'a', 'a' match the same requests,"
                " and their shares add up to 120 %",
            ],
        ),
        (
            "[[rollout]]\nname = 'a'\naction = 'forward'\n[rollout.match]\n"
            f"model = 'x'\ncaller = '{DIGEST}'\n",
            [
                'h.toml, line 6: rule "a": match.caller: is a digest, which needs the setting'
                " digest_key; to keep the digests that the log shows, set it to the contents of"
                " digest.key in state_dir",
                'h.toml, line 3: rule "a": action: forward needs the setting legacy_url',
            ],
        ),
    ],
)
def test_each_contradiction_is_refused_with_its_line(text, said):
    with pytest.raises(InvalidSettings) as caught:
        load_settings(TomlSource(Path("h.toml"), text))

    assert str(caught.value).split("\n") == said
