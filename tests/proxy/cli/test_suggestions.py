"""
Every place where a person types a name out of a known set: the one that was meant is suggested.

Settings have their own table in `tests/proxy/config/test_setting_errors.py`.
"""

import json
from pathlib import Path

import pytest

from tests.command_line import run, run_process
from tests.harness import body
from tests.proxy.cli.harness import add_to
from tests.record_factory import record

SETTINGS = """
legacy_url = "http://127.0.0.1:9"
[callers.nightly-batch]
token = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
[[rollout]]
name = "canary"
action = "forward"
share = 5
"""
REQUEST = json.dumps(body(model="claude-2"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a caller and a rule that settings name, and others that only records do."""
    directory = tmp_path_factory.mktemp("suggestions")
    add_to(directory, [record(caller_name="weekly-report", rule="ancient")])
    file = directory / "holdover.toml"
    file.write_text(f'state_dir = "{directory}"\n{SETTINGS}')
    return file


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("report --caller nightly-bach", "`nightly-batch`?"),
        ("report --caller weekly-reprot", "`weekly-report`?"),
        ("report --fail-if readyness<0.9", "`readiness`?"),
        ("log --caller nightly_batch", "`--caller nightly-batch`?"),
        ("log --caller Weekly-Report", "`--caller weekly-report`?"),
        ("log --rule canray", "`--rule canary`?"),
        ("log --rule ancinet", "`--rule ancient`?"),
        ("log --model claude-instnat-1.2", "`--model claude-instant-1.2`?"),
        ("log --rule canray --caller nightly", "`--caller nightly-batch, --rule canary`?"),
        ("log --adjustment map_modle", "`map_model`?"),
        ("log --feature multiturn", "`multi_turn`?"),
        ("log --route foward", "`forward`?"),
        ("log --status eror", "`error`?"),
        ("rollout share canray 5", "`canary`?"),
        ("rollout rearm canray", "`canary`?"),
        ("rollout override foward", "`forward`?"),
        ("lgo", "Did you mean 'log'?"),
        ("rollout shar canary 5", "Did you mean 'share'?"),
        ("log --calle x", "Possible options: --caller"),
    ],
)
def test_a_name_on_the_command_line_is_corrected(config: Path, arguments: str, meant: str):
    done = run(*arguments.split(), HOLDOVER_CONFIG=str(config), COLUMNS="100")

    assert meant in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "meant"),
    [
        ("check CONFIG --request - --caller nightly-bach", REQUEST, "`nightly-batch`?"),
        ("explain -", REQUEST.replace("claude-2", "claude-haiku-4-6"), "`claude-haiku-4-5`?"),
    ],
)
def test_a_name_about_a_request_is_corrected(config: Path, arguments: str, stdin: str, meant: str):
    done = run(*arguments.replace("CONFIG", str(config)).split(), stdin=stdin)

    assert meant in done.stderr


@pytest.mark.thorough
def test_a_replay_of_nobody_is_none(config: Path):
    """In a process of its own, as it configures logging."""
    done = run_process("replay", "--caller", "nightly-bach", "--config", str(config))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "holdover: --caller: no caller is named 'nightly-bach', in [callers] or in what is "
        "recorded; did you mean `nightly-batch`?\n"
    )


@pytest.mark.thorough
def test_a_replay_for_a_model_that_is_misspelt_warns(config: Path):
    done = run_process("replay", "--model", "claude-haiku-4-6", "--config", str(config))

    assert "does not know the model 'claude-haiku-4-6'; write 'claude-haiku-4-5' if" in done.stderr


@pytest.mark.parametrize("caller", ["nightly-batch", "weekly-report", "0123", "fedcba9876543210"])
def test_callers_of_the_settings_or_of_records_and_digests_are_no_mistakes(
    config: Path, caller: str
):
    done = run("report", "--caller", caller, "--config", str(config))

    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_found_needs_no_suggestion_and_what_is_like_nothing_gets_none(config: Path):
    found = run("log", "--caller", "weekly-report", "--config", str(config))
    none = run("log", "--caller", "xyz", "--rule", "canary", "--config", str(config))

    assert found.stderr == ""
    assert none.stderr == "holdover: no such exchange is recorded\n"
