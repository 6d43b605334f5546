"""By which settings a replay asks, whom it may ask, and what it is called."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.replay_settings import addresses, default_name, with_model, with_rules
from proxy.config_file import InvalidSettings
from proxy.settings import Settings, load_settings

NAME = """
from proxy.cli.replay_settings import default_name
from proxy.settings import load_settings
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


def test_a_file_may_say_no_more_than_how_to_translate(tmp_path):
    settings = candidate(tmp_path, 'prefill = "instruct"\n', rollout=[rule("translate")])

    assert settings.prefill == "instruct"
    assert [each.name for each in settings.rollout] == ["translate"]


def test_a_kill_switch_that_is_thrown_now_is_not_part_of_the_question(tmp_path):
    settings = candidate(tmp_path, "", rollout_override="refuse")

    assert settings.rollout_override is None


def test_what_is_wrong_with_a_file_of_rules_is_said_with_its_line(tmp_path):
    with pytest.raises(
        InvalidSettings, match=r"rules.toml, line 3: rollout.0.action: .*legacy_url"
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
    assert list(addresses(load_settings(**settings))) == asked


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
