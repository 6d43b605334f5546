"""The settings file that the demo writes, and what it says whatever the environment does."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cli.demo_clients import OLD_CLIENTS, settings_for
from proxy.cli.demo_settings import DemoSettings, as_toml
from proxy.config.history import history_of
from proxy.config.sources import load_settings
from proxy.config.toml_edit import set_override, set_share
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings
from tests.hypothesis_profiles import scaled

NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
SCALARS = st.booleans() | st.integers(0, 10_000) | TEXTS
INLINE = st.dictionaries(NAMES, SCALARS | st.dictionaries(NAMES, SCALARS, max_size=2), max_size=3)


@pytest.fixture
def demo(tmp_path: Path) -> DemoSettings:
    fixed = {
        "upstream_url": "http://127.0.0.1:1",
        "state_dir": tmp_path / "demo",
        "capture": "full",
        "digest_key": "demo",
    }
    return DemoSettings(path=tmp_path / "demo" / "holdover.toml", fixed=fixed)


def written(demo: DemoSettings) -> Any:
    return demo.load(demo.write(settings_for(OLD_CLIENTS)).file)


def share_of_trial(demo: DemoSettings) -> float:
    [trial] = [
        rule for rule in demo.load(TomlSource.read(demo.path)).rollout if rule.name == "trial"
    ]
    return trial.share


def test_it_is_valid_and_names_each_client_with_a_token_once():
    settings = load_settings(**settings_for(OLD_CLIENTS))

    assert set(settings.callers) == {each.name for each in OLD_CLIENTS if each.name}
    assert len({each.key for each in OLD_CLIENTS}) == len(OLD_CLIENTS)


def test_it_is_private_and_holds_no_key_of_a_caller(demo):
    written(demo)
    text = demo.path.read_text()

    assert stat.S_IMODE(demo.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(demo.path.parent.stat().st_mode) == 0o700
    assert not [each.key for each in OLD_CLIENTS if each.key in text]
    assert text.count('token = "sha256:') == len([each for each in OLD_CLIENTS if each.name])


def test_it_is_written_anew_at_each_start(demo):
    written(demo)
    set_share(demo.path, "trial", 50)
    set_override(demo.path, "translate")

    settings = written(demo)

    assert share_of_trial(demo) == 25
    assert settings.rollout_override is None


def test_what_the_verbs_change_in_it_counts(demo):
    written(demo)
    set_share(demo.path, "trial", 50)

    assert share_of_trial(demo) == 50


def test_changes_are_written_into_the_history_that_the_verbs_show(demo):
    source = demo.write(settings_for(OLD_CLIENTS))

    assert source.history == history_of(demo.path.parent, demo.path)


def test_the_environment_changes_neither_rules_nor_where_records_go(demo, monkeypatch):
    monkeypatch.setenv("HOLDOVER_ROLLOUT", '[{"name": "mine", "action": "refuse"}]')
    monkeypatch.setenv("HOLDOVER_CALLERS", "{}")
    monkeypatch.setenv("HOLDOVER_CAPTURE", "off")
    monkeypatch.setenv("HOLDOVER_UPSTREAM_URL", "https://api.example")
    monkeypatch.setenv("HOLDOVER_TRAFFIC_URL", "postgresql://somewhere/else")
    settings = written(demo)

    assert [rule.name for rule in settings.rollout] == ["cheaper", "instruct", "trial"]
    assert "support-bot" in settings.callers
    assert settings.capture == "full"
    assert settings.upstream_url == "http://127.0.0.1:1"
    assert settings.traffic_url is None


def test_a_mistake_in_a_rule_is_named_with_its_line(demo):
    written(demo)
    text = demo.path.read_text().replace("share = 25", "share = 250")
    demo.path.write_text(text)
    line = text.split("\n").index("share = 250") + 1

    with pytest.raises(
        InvalidSettings, match=rf'holdover.toml, line {line}: rule "trial": share: '
    ):
        demo.load(TomlSource.read(demo.path))


def test_a_mistake_that_the_environment_hides_is_named_all_the_same(demo, monkeypatch):
    written(demo)
    demo.path.write_text(demo.path.read_text().replace("share = 25", "share = 250"))
    monkeypatch.setenv("HOLDOVER_ROLLOUT", "[]")

    with pytest.raises(InvalidSettings, match=r"rollout.2.share: "):
        demo.load(TomlSource.read(demo.path))


def test_a_place_where_nothing_can_be_written_is_named(demo):
    demo.path.parent.write_text("a file")

    with pytest.raises(InvalidSettings, match=r"state_dir: .*/holdover.toml cannot be written: "):
        written(demo)


@settings(max_examples=scaled(300))
@given(
    st.dictionaries(NAMES.map("a{}".format), SCALARS, max_size=3),
    st.dictionaries(
        NAMES.map("b{}".format), st.dictionaries(TEXTS, INLINE, min_size=1), max_size=2
    ),
    st.dictionaries(NAMES.map("c{}".format), st.lists(INLINE, min_size=1, max_size=3), max_size=2),
)
def test_settings_are_read_as_they_were_written(scalars, tables, lists):
    settings = {**scalars, **tables, **lists}

    assert tomllib.loads(as_toml(settings)) == settings
