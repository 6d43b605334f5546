"""The commands that change rules read the settings as `serve` does, or the kill switch is stuck."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.end_to_end.fleet import HOLDOVER

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
COMMANDS = [
    ("share", "known-by-digest", "25"),
    ("override", "forward"),
    ("override", "off"),
    ("status",),
    ("rearm", "known-by-digest"),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("way", ["option", "variable", "each in a variable"])
def test_every_command_finds_what_is_kept_outside_the_file(tmp_path: Path, way: str):
    config, secrets = tmp_path / "holdover.toml", tmp_path / "secrets"
    config.write_text(FILE.format(state=tmp_path / "state"))
    secrets.mkdir()
    for name, secret in SECRETS.items():
        (secrets / name).write_text(secret)
    options = ("--secrets", str(secrets)) if way == "option" else ()
    variables = {"variable": {"HOLDOVER_SECRETS": str(secrets)}, "each in a variable": SECRETS}
    results = [
        subprocess.run(
            [*HOLDOVER, "rollout", *command, "--config", str(config), *options],
            env=os.environ | variables.get(way, {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        for command in COMMANDS
    ]

    said = [result.stderr.removeprefix("holdover: ") for result in results]
    assert said == ["", "", "", "", "the guard of 'known-by-digest' is not tripped\n"]
    assert tomllib.loads(config.read_text())["rollout"][0]["share"] == 25
