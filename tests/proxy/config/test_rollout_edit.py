"""What is changed with Holdover's own means is written down with who did it."""

from pathlib import Path

import pytest

from proxy.config.history import SettingsHistory, history_of
from proxy.config.rollout_edit import RolloutEdit
from proxy.config.toml_edit import ChangedMeanwhile, try_share
from proxy.config.toml_source import TomlSource, version_of
from proxy.errors import InvalidSettings
from proxy.workers.shared_state import SharedState, directory_for

FILE = """\
state_dir = "{state}"

[[rollout]]
name = "canary"
action = "translate"
share = 5
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    config = tmp_path / "holdover.toml"
    config.write_text(FILE.format(state=tmp_path / "state"))
    return config


def edit(config: Path, by: str = "alice@web-1", expected: str | None = None) -> RolloutEdit:
    return RolloutEdit(config=config, by=by, expected=expected)


def history(config: Path) -> SettingsHistory:
    return history_of(config.parent / "state", config)


def said(config: Path) -> list[tuple[tuple[str, ...], str | None]]:
    return [(each.changes, each.by) for each in history(config).read()]


def version(config: Path) -> str:
    return version_of(TomlSource.read(config))


def test_a_share_and_the_override_are_written_down_at_once(config: Path):
    edit(config).set_share("canary", 25)
    edit(config, "bob@web-1").set_override("refuse")
    edit(config).set_override(None)

    assert said(config) == [
        (("share of canary: 5 -> 25 %",), "alice@web-1"),
        (("kill switch: not set -> refuse",), "bob@web-1"),
        (("kill switch: refuse -> not set",), "alice@web-1"),
    ]


def test_a_worker_that_follows_the_new_version_does_not_write_it_down_again(config: Path):
    edit(config).set_share("canary", 25)
    history(config).add(version(config), ["share of canary: 5 -> 25 %"])

    assert len(said(config)) == 1


def test_what_changes_nothing_is_not_written_down(config: Path):
    edit(config).set_share("canary", 5)

    assert said(config) == []


def test_before_a_server_has_run_there_is_no_history(config: Path):
    (config.parent / "state").rmdir()
    edit(config).set_share("canary", 25)

    assert not (config.parent / "state").exists()
    assert "share = 25" in config.read_text()


def test_another_version_than_was_looked_at_is_not_edited(config: Path):
    seen = version(config)
    edit(config, expected=seen).set_share("canary", 10)
    changed = config.read_text()

    for change in (
        lambda late: late.set_share("canary", 25),
        lambda late: late.set_override("refuse"),
        lambda late: late.rearm("canary", config.parent / "state"),
    ):
        with pytest.raises(ChangedMeanwhile, match="has been changed meanwhile"):
            change(edit(config, expected=seen))
    assert config.read_text() == changed
    assert len(said(config)) == 1


def test_a_guard_is_re_armed_once_and_that_is_written_down(config: Path):
    state = config.parent / "state"
    SharedState(directory_for(state, config)).write("tripped/canary", b"{}")

    assert edit(config).rearm("canary", state)
    assert not edit(config, "bob@web-1").rearm("canary", state)
    assert said(config) == [(("guard of canary: tripped -> armed",), "alice@web-1")]


def test_what_only_the_server_can_know_is_not_said_to_have_changed(config: Path):
    config.write_text('rollout-override = "forward"\n' + config.read_text())
    edit(config).set_override(None)

    assert said(config) == [(("kill switch: forward -> not set",), "alice@web-1")]


def test_an_edit_that_makes_a_file_valid_says_what_it_has_become(config: Path):
    config.write_text(config.read_text().replace("share = 5", "share = 500"))
    edit(config).set_share("canary", 50)

    assert said(config) == [(("settings: not valid -> canary: translate 50 %",), "alice@web-1")]


def test_a_share_can_be_tried_without_setting_it(config: Path):
    before = config.read_text()
    try_share(config, "canary", 25)

    with pytest.raises(InvalidSettings, match="share"):
        try_share(config, "canary", 101)
    assert config.read_text() == before
