"""By which settings a replay asks, whom it may ask, and what it is called."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.traffic.replay_settings import (
    default_name,
    upstream_urls,
    with_environment_key,
    with_model,
    with_rules,
    with_simulator_keys,
    with_upstream_url,
)
from proxy.config.build import build_runtime_config
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.errors import InvalidSettings
from proxy.security.redaction import Digester

NAME = """
from proxy.cli.traffic.replay_settings import default_name
from proxy.config.sources import load_settings
rules = [{"name": "r", "action": "translate", "refuse": ["drop_temperature", "cap_max_tokens"]}]
settings = load_settings(rollout=rules, refuse=["trim_prefill", "merge_turns", "map_model"])
print(default_name("m", settings, ("7d", None)))
"""


def rule(action: str) -> dict[str, Any]:
    return {"name": action, "action": action}


def candidate(tmp_path: Path, text: str, **settings: Any) -> Settings:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    return with_rules(load_settings(**settings), file, None)


def test_a_file_of_rules_goes_before_the_settings_and_leaves_the_rest(tmp_path):
    settings = candidate(
        tmp_path,
        '[[rollout]]\nname = "new"\naction = "forward"\n',
        rollout=[rule("translate")],
        upstream_url="http://127.0.0.1:1",
        legacy_url="http://127.0.0.1:2",
        upstream_key="secret",
        prefill="reject",
        traffic_url="postgresql://u:p@host/d",
        callers={"a": {"token": f"sha256:{'0' * 64}", "upstream_key": "own"}},
    )

    assert [each.name for each in settings.rollout] == ["new"]
    assert settings.upstream_url == "http://127.0.0.1:1"
    assert settings.legacy_url == "http://127.0.0.1:2"
    assert settings.upstream_key is not None
    assert settings.prefill == "reject"
    assert list(settings.callers) == ["a"]


KEYS: dict[str, Any] = {
    "upstream_key": "m",
    "legacy_url": "http://127.0.0.1:2",
    "legacy_key": "l",
    "callers": {"a": {"token": f"sha256:{'0' * 64}", "upstream_key": "a-m", "legacy_key": "a-l"}},
}


def held(settings: Settings) -> dict[str, str]:
    """Each key, by where it is given."""
    keyring = build_runtime_config(settings, Digester("k")).keyring
    return {key.setting: key.secret.decode() for key in keyring.held}


ALL = {
    "upstream_key": "m",
    "legacy_key": "l",
    "callers.a.upstream_key": "a-m",
    "callers.a.legacy_key": "a-l",
}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ALL),
        ('upstream_url = "https://api.anthropic.com/v2"\n', ALL),
        (
            'upstream_url = "https://elsewhere.invalid"\n',
            {name: key for name, key in ALL.items() if key.endswith("l")},
        ),
        (
            'legacy_url = "https://elsewhere.invalid"\n',
            {name: key for name, key in ALL.items() if key.endswith("m")},
        ),
        (
            'upstream_url = "https://elsewhere.invalid"\nupstream_key = "its"\n',
            {"upstream_key": "its", "legacy_key": "l", "callers.a.legacy_key": "a-l"},
        ),
        (
            'upstream_url = "https://elsewhere.invalid"\n'
            f'[callers.b]\ntoken = "sha256:{"1" * 64}"\nupstream_key = "b-m"\n',
            {"callers.b.upstream_key": "b-m", "legacy_key": "l"},
        ),
    ],
)
def test_keys_stay_behind_where_a_file_names_another_upstream_than_theirs(tmp_path, text, left):
    assert held(candidate(tmp_path, text, **KEYS)) == left


def test_a_simulator_gets_no_key_that_opens_anything():
    settings = with_simulator_keys(load_settings(**KEYS))

    assert set(held(settings).values()) == {"sk-ant-api03-replay"}


def test_a_simulator_is_asked_for_the_callers_that_are_named_by_digest():
    callers = {"ads": {"digest": "0123456789abcdef"}, "b": {"token": f"sha256:{'0' * 64}"}}

    named = with_simulator_keys(load_settings(digest_key="k", callers=callers))

    keyring = build_runtime_config(named, Digester("k")).keyring
    assert keyring.names == {"0123456789abcdef": "ads"}
    assert not keyring.known


def test_whoever_stands_in_for_upstream_does_not_get_its_key():
    settings = with_upstream_url(load_settings(**KEYS), "http://127.0.0.1:3")

    assert settings.upstream_url == "http://127.0.0.1:3"
    assert held(settings) == {name: key for name, key in ALL.items() if key.endswith("l")}


@pytest.mark.parametrize(
    ("settings", "environment", "key"),
    [
        ({}, "", None),
        ({}, "e", "e"),
        ({}, " e\n", "e"),
        ({"upstream_key": "m"}, "e", "m"),
        ({"upstream_key": "m"}, "", "m"),
    ],
)
def test_the_key_of_the_environment_is_one_for_the_messages_api(
    settings, environment, key, monkeypatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", environment)
    settings = with_environment_key(load_settings(legacy_url="http://127.0.0.1:2", **settings))

    assert held(settings) == ({"upstream_key": key} if key else {})


def test_a_key_of_the_environment_that_can_be_none_is_named_and_not_shown(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant\nsk-ant")

    with pytest.raises(InvalidSettings, match="ANTHROPIC_API_KEY: contains a control character"):
        with_environment_key(load_settings())


def test_a_file_may_say_no_more_than_how_to_translate(tmp_path):
    settings = candidate(tmp_path, 'prefill = "instruct"\n', rollout=[rule("translate")])

    assert settings.prefill == "instruct"
    assert [each.name for each in settings.rollout] == ["translate"]


def test_a_kill_switch_that_is_thrown_now_is_not_part_of_the_question(tmp_path):
    settings = candidate(tmp_path, "", rollout_override="refuse")

    assert settings.rollout_override is None


def test_what_is_wrong_with_a_file_of_rules_is_said_with_its_line(tmp_path):
    with pytest.raises(
        InvalidSettings, match=r'rules.toml, line 3: rule "new": action: .*legacy_url'
    ):
        candidate(tmp_path, '[[rollout]]\nname = "new"\naction = "forward"\n')


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, ["https://api.anthropic.com"]),
        ({"legacy_url": "http://127.0.0.1:2"}, ["https://api.anthropic.com"]),
        (
            {"legacy_url": "http://127.0.0.1:2", "rollout": [rule("forward")]},
            ["https://api.anthropic.com", "http://127.0.0.1:2"],
        ),
        (
            {"legacy_url": "http://127.0.0.1:2", "rollout_override": "forward"},
            ["https://api.anthropic.com", "http://127.0.0.1:2"],
        ),
        (
            {
                "legacy_url": "http://127.0.0.1:2",
                "rollout": [rule("forward")],
                "rollout_override": "translate",
            },
            ["https://api.anthropic.com"],
        ),
    ],
)
def test_everybody_who_may_be_asked_is_named(settings, asked):
    assert list(upstream_urls(load_settings(**settings))) == asked


def test_with_a_model_everything_is_translated_for_it():
    settings = with_model(load_settings(rollout=[rule("refuse")]), "claude-haiku-4-5")

    assert settings.rollout_override is not None
    assert settings.rollout_override.action == "translate"
    assert settings.rollout_override.model == "claude-haiku-4-5"


@pytest.mark.parametrize(
    "change",
    [
        {"rollout": [rule("refuse")]},
        {"prefill": "instruct"},
        {"refuse": ["trim_prefill"]},
        {"upstream_url": "http://127.0.0.1:1"},
    ],
)
def test_another_question_has_another_name(change):
    same = default_name("m", load_settings(port=1), ("7d",))

    assert default_name("m", load_settings(port=2), ("7d",)) == same
    assert default_name("m", load_settings(**change), ("7d",)) != same
    assert default_name("m", load_settings(), ("8d",)) != same


def test_a_name_says_what_it_is_of():
    assert default_name("../m o", load_settings(), ()).startswith("..-m-o-")


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_a_name_is_the_same_in_every_process():
    """Whatever order its sets have there."""
    names = {
        subprocess.run(
            [sys.executable, "-c", NAME],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(names) == 1
