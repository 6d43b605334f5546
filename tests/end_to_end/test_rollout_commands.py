"""The commands that change rules read the settings as `serve` does, or the kill switch is stuck."""

import os
import pwd
import re
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest

from proxy.cli.rollout import _name_of
from tests.command_line import run as run_command

FILE = """
state_dir = "{state}"

[[rollout]]
name = "known-by-digest"
action = "forward"
share = 5
match = {{ caller = "0123456789abcdef" }}
guard = {{ errors_above = 5 }}
"""
SECRETS = {"HOLDOVER_DIGEST_KEY": "a-key", "HOLDOVER_LEGACY_URL": "http://127.0.0.1:1"}
NOT_TRIPPED = "holdover: the guard of 'known-by-digest' is not tripped\n"


def run(config: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_command("rollout", *arguments, "--config", str(config), **environment)


def rollout(config: Path, *arguments: str, **environment: str) -> str:
    """What a command says is wrong."""
    return run(config, *arguments, **environment).stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    for name, secret in SECRETS.items():
        (tmp_path / "secrets" / name).write_text(secret)
    config = tmp_path / "holdover.toml"
    config.write_text(FILE.format(state=tmp_path / "state"))
    return config


def test_every_command_can_be_told_where_secrets_are(config: Path):
    option = ("--secrets", str(config.parent / "secrets"))
    said = [
        rollout(config, "share", "known-by-digest", "25", *option),
        rollout(config, "override", "forward", *option),
        rollout(config, "override", "off", *option),
        rollout(config, "status", *option),
        rollout(config, "rearm", "known-by-digest", *option),
    ]

    assert said == ["", "", "", "", NOT_TRIPPED]
    assert tomllib.loads(config.read_text())["rollout"][0]["share"] == 25


def test_a_guard_is_not_rearmed_where_the_state_has_no_directory(config: Path):
    state = config.parent / "state"
    state.write_text("a file")

    said = rollout(config, "rearm", "known-by-digest", **SECRETS)

    assert said == f"holdover: {state}: Not a directory\n"


def test_or_the_environment_tells_them(config: Path):
    directory = {"HOLDOVER_SECRETS": str(config.parent / "secrets")}

    assert rollout(config, "override", "forward", **directory) == ""
    assert rollout(config, "override", "forward", **SECRETS) == ""


def test_the_status_says_that_the_rules_are_overridden(config: Path):
    before = run(config, "status", **SECRETS).stdout
    rollout(config, "override", "refuse", **SECRETS)

    assert "Override" not in before
    assert (
        "Override: every request is answered by `refuse`."
        in run(config, "status", **SECRETS).stdout
    )


def test_what_only_the_server_can_know_does_not_stop_the_kill_switch(config: Path):
    assert rollout(config, "override", "refuse") == ""
    assert rollout(config, "share", "known-by-digest", "0") == ""
    assert "can never match" not in rollout(config, "override", "off")


def test_what_an_edit_itself_makes_wrong_does(config: Path):
    config.write_text("")

    assert "forward needs the setting legacy_url" in rollout(config, "override", "forward")
    assert config.read_text() == ""


def test_there_is_no_history_before_anything_has_changed(config: Path):
    done = run(config, "history", **SECRETS)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Nothing has changed yet")


def test_the_history_says_who_has_changed_what(config: Path):
    (config.parent / "state").mkdir()
    rollout(config, "share", "known-by-digest", "25", **SECRETS, SUDO_USER="alice")
    [line] = run(config, "history", **SECRETS).stdout.splitlines()

    assert re.fullmatch(r"\S+Z  share of known-by-digest: 5 -> 25 %, by alice@\S+", line)


def test_who_is_not_behind_sudo_is_the_user_of_the_terminal(config: Path):
    (config.parent / "state").mkdir()
    rollout(config, "share", "known-by-digest", "25", **SECRETS, SUDO_USER="")
    [line] = run(config, "history", **SECRETS).stdout.splitlines()
    user = pwd.getpwuid(os.getuid()).pw_name

    assert line.endswith(f", by {user}@{socket.gethostname()}")


def test_a_user_that_the_system_does_not_know_is_a_number():
    assert _name_of(987_654) == "987654"


def test_a_history_that_cannot_be_read_is_said(config: Path):
    (config.parent / "state").write_text("in the way")

    assert "state: Not a directory" in rollout(config, "history", **SECRETS)
