from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.changes import changes_between, rules_in_words
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource

HASH, OTHER = "sha256:" + "0" * 64, "sha256:" + "1" * 64
LEGACY = 'legacy_url = "http://h"\n'


def settings(text: str) -> Settings:
    return load_settings(TomlSource(Path("h.toml"), LEGACY + text))


def rule(name: str, more: str = "") -> str:
    return f'[[rollout]]\nname = "{name}"\naction = "translate"\n{more}\n'


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "", []),
        ("# a comment", "", []),
        (rule("canary", "share = 5"), rule("canary", "share = 25"), ["share of canary: 5 -> 25 %"]),
        (rule("a", "share = 0"), rule("a", "share = 0.5"), ["share of a: 0 -> 0.5 %"]),
        ("", rule("a", "share = 5"), ["rule a: added (translate 5 %)"]),
        (rule("a"), "", ["rule a: removed"]),
        (
            rule("a", "share = 5") + rule("b"),
            rule("b", "share = 50") + rule("a", "share = 5"),
            ["share of b: 100 -> 50 %", "order of rules: b, a"],
        ),
        (
            rule("a"),
            rule("a", 'model = "m"\nmatch = { streamed = true, header = { X-Team = "t" } }'),
            [
                "model of a: not set -> m",
                "match.header.X-Team of a: added",
                "match.streamed of a: not set -> true",
            ],
        ),
        (
            rule("a"),
            rule("a", "refuse = ['map_model']\n[rollout.campaign]\nsunset = 2027-01-01"),
            [
                "refuse of a: not set -> map_model",
                "campaign.sunset of a: not set -> 2027-01-01T00:00:00Z",
            ],
        ),
        ("", "rollout_override = 'refuse'", ["kill switch: not set -> refuse"]),
        ("port = 1", "port = 2", ["port: 1 -> 2"]),
        ("", "mount_prefix = '/p'", ['mount_prefix: "" -> /p']),
        (
            "[model_facts.m]\nretires = 2027-01-01",
            "[model_facts.m]\nretires = 2027-01-02",
            ["model_facts.m.retires: 2027-01-01 -> 2027-01-02"],
        ),
        (
            "[models]\na = 'x'",
            "[models]\na = 'y'\nb = 'z'",
            ["models.a: x -> y", "models.b: not set -> z"],
        ),
        ("redact = { a = 'secret' }", "redact = { a = 'other' }", ["redact.a: changed"]),
        ("upstream_key = 'sk-1'", "upstream_key = 'sk-2'", ["upstream_key: changed"]),
        ("", "upstream_key = 'sk-2'", ["upstream_key: added"]),
        ("upstream_key = 'sk-2'", "", ["upstream_key: removed"]),
        (
            f"[callers.a]\ntoken = '{HASH}'",
            f"[callers.a]\ntoken = '{OTHER}'\nupstream_key = 'sk-1'",
            ["callers.a.token: changed", "callers.a.upstream_key: added"],
        ),
    ],
)
def test_a_change_is_said_in_words(before: str, after: str, said: list[str]):
    assert list(changes_between(settings(before), settings(after))) == said


def test_a_long_value_is_cut():
    [said] = changes_between(
        settings("prefill_model = 'a'"), settings(f"prefill_model = '{'b' * 99}'")
    )

    assert said == f"prefill_model: a -> {'b' * 80}..."


def test_of_many_changes_the_first_are_said_and_the_rest_counted():
    many = "[models]\n" + "".join(f"m{number} = 'x'\n" for number in range(60))
    said = changes_between(settings(""), settings(many))

    assert len(said) == 51
    assert said[-1] == "and 10 more"


SECRET = "sk-ant-a-very-secret-value"


@given(
    name=st.sampled_from(["upstream_key", "legacy_key", "admin_token", "digest_key"]),
    before=st.sampled_from(["", SECRET, SECRET + "-2"]),
    after=st.sampled_from(["", SECRET, SECRET + "-2"]),
)
def test_no_secret_is_ever_said(name: str, before: str, after: str):
    said = changes_between(settings(f"{name} = '{before}'"), settings(f"{name} = '{after}'"))

    assert len(said) == (before != after)
    assert "sk-ant" not in "".join(said)


def test_rules_are_told_with_the_override():
    assert rules_in_words(settings("")) == ()
    text = "rollout_override = 'refuse'\n" + rule("a", "share = 5") + rule("b")

    assert rules_in_words(settings(text)) == (
        "a: translate 5 %",
        "b: translate 100 %",
        "override: refuse",
    )
