"""`holdover check`: what is wrong, what is unwise, and which rule decides."""

import json
from pathlib import Path

import pytest

from proxy.security.redaction import Digester
from tests.command_line import run, run_process
from tests.harness import body

RULES = """
legacy_url = "http://127.0.0.1:9"
[callers.batch]
token = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
[[rollout]]
name = "streams"
match = { streamed = true }
action = "forward"
[[rollout]]
name = "half"
match = { caller = "batch" }
share = 0
by = "random"
action = "translate"
[[rollout]]
name = "all-of-batch"
match = { caller = "batch" }
share = 99.99
by = "user_id"
action = "forward"
[[rollout]]
name = "ended"
action = "refuse"
[rollout.campaign]
link = "https://example.org/why"
"""


def test_a_state_directory_that_would_stop_the_server_is_said(config):
    state = config / "state"  # the file of the settings is no directory
    config.write_text(f'state_dir = "{state}"\n')
    checked, served = run("check", str(config)), run("serve", "--config", str(config))

    line = f"state_dir: {state} cannot be used: "
    assert (checked.returncode, served.returncode) == (0, 2)
    assert f"holdover: warning: {line}it cannot be made in {config}; let the user" in checked.stderr
    assert line in served.stderr


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "holdover.toml"
    file.write_text(RULES)
    return file


def check(config, *arguments: str, **fields):
    done = run("check", str(config), "--request", "-", *arguments, stdin=json.dumps(body(**fields)))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_good_file_is_shown_rule_by_rule(config):
    done = run("check", str(config))

    assert done.returncode == 0
    assert "is valid: 4 rules, 1 caller." in done.stdout
    assert "2. half: translate 0 % by random" in done.stdout
    assert "OVERRIDE" not in done.stdout


CAMPAIGN = """
[[rollout]]
name = "old"
action = "translate"
[rollout.campaign]
deprecated = 2026-11-01
sunset = 2026-12-24T09:00:00+01:00
brown-outs = [
    { start = 2026-12-01T10:00:00Z, minutes = 5, every = "week" },
    { start = 2026-11-01T10:00:00Z, minutes = 5 },
    { start = 2026-12-07T10:00:00Z, minutes = 90 },
]
"""


def announced(config, at: str) -> list[str]:
    config.write_text(CAMPAIGN)
    lines = run("check", str(config), "--at", at).stdout.splitlines()
    return [line.strip() for line in lines if line.startswith("   ")]


def test_a_campaign_is_shown_with_the_dates_that_come_next(config):
    assert announced(config, "2026-11-29") == [
        "deprecated: 2026-11-01 00:00 UTC (past)",
        "sunset: 2026-12-24 08:00 UTC",
        "brown-out: 2026-12-01 10:00 UTC to 2026-12-01 10:05 UTC",
        "brown-out: 2026-12-07 10:00 UTC to 2026-12-07 11:30 UTC",
        "brown-out: 2026-12-08 10:00 UTC to 2026-12-08 10:05 UTC",
    ]


def test_a_brown_out_that_is_going_on_is_shown_as_such(config):
    assert announced(config, "2026-12-07T11:00")[2] == (
        "brown-out: 2026-12-07 10:00 UTC to 2026-12-07 11:30 UTC (now)"
    )


def test_brown_outs_end_with_the_sunset(config):
    assert announced(config, "2026-12-23")[1:] == [
        "sunset: 2026-12-24 08:00 UTC",
        "brown-outs: all are over",
    ]
    assert "sunset: 2026-12-24 08:00 UTC (past)" in announced(config, "2026-12-25")


def test_a_caller_whom_the_settings_do_not_know_is_no_answer(config):
    done = run("check", str(config), "--request", "-", "--caller", "bach", stdin=json.dumps(body()))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "holdover: --caller: no caller in [callers] is named 'bach'; did you mean `batch`?\n"
    )
    assert run("check", str(config), "--caller", "bach").stderr == done.stderr


def test_a_caller_may_be_given_by_the_digest_that_the_log_shows(config):
    config.write_text(
        'digest_key = "k"\n[[rollout]]\nname = "old"\naction = "refuse"\n'
        'match = { caller = "0123456789abcdef" }\n'
    )

    assert check(config, "--caller", "0123456789abcdef").startswith("old: yes.\n")


def test_an_override_is_shown_and_decides(config):
    config.write_text('rollout-override = "refuse"\n' + RULES)

    assert "OVERRIDE: every request is answered by `refuse`" in run("check", str(config)).stdout
    assert check(config).startswith("refuse, because of: override\n")


def test_a_bad_file_is_refused_with_the_line(config):
    config.write_text(RULES.replace('"random"', '"dice"'))
    done = run("check", str(config))

    assert done.returncode == 2
    assert 'line 13: rule "half": by: ' in done.stderr


def test_the_rule_that_decides_is_named_and_why_the_others_do_not(config):
    said = check(config)

    assert "streams: no: it matches only streamed requests.\n" in said
    assert "half: no: caller" in said
    assert "ended: yes.\n" in said
    assert "refuse, because of: rule" in said
    assert "See https://example.org/why" in said


def test_what_no_rule_decides_is_translated(config):
    config.write_text(RULES.partition('[[rollout]]\nname = "half"')[0])

    assert (
        check(config)
        == "streams: no: it matches only streamed requests.\ntranslate, because of: default\n"
    )


def test_a_share_is_shown_with_the_bucket(config):
    said = check(config, "--caller", "batch", "--at", "2026-12-01")

    assert "half: no: its share is zero.\n" in said
    assert "all-of-batch: yes (bucket" in said
    assert said.endswith("forward, because of: rule\n")


def test_a_share_is_not_that_of_a_digest(config):
    asked = ("check", str(config), "--request", "-", "--caller")

    done = run(*asked, "0123456789abcdef", stdin=json.dumps(body()))
    assert done.returncode == 0
    assert "dealt by their keys" in done.stderr
    assert not run(*asked, "batch", stdin=json.dumps(body())).stderr


def test_a_caller_is_known_by_its_key(config):
    said = check(config, "-H", "x-api-key: a", stream=True)

    assert said == "streams: yes.\nforward, because of: rule\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "problem"),
    [
        (["--request", "-"], "{", "not valid JSON"),
        (["--request", "-", "-H", "no colon"], "{}", "write it as `name: value`"),
        (["--request", "/nonexistent"], "", "No such file"),
    ],
)
def test_what_cannot_be_asked_is_said(config, arguments, stdin, problem):
    done = run("check", str(config), *arguments, stdin=stdin)

    assert done.returncode == 2
    assert problem in done.stderr


def test_a_key_that_is_not_there_is_named(config):
    config.write_text(
        RULES.replace("[callers.batch]\n", '[callers.batch]\nupstream_key = { env = "N" }\n')
    )
    done = run("check", str(config))

    assert done.returncode == 2
    assert "callers.batch.upstream_key: the variable N is not set" in done.stderr


TOKEN_OF_A = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
LISTED = f'[callers.a]\ntoken = "{TOKEN_OF_A}"\n'
LEGACY = 'legacy_url = "http://legacy.invalid"\n'
KEY = 'upstream_key = "sk-1"\n'
OWN_KEYS = (
    "holdover: warning: legacy_url: clients' own keys will be sent there, because "
    "upstream_key is only for upstream_url; to send a key of yours instead, set legacy_key.\n"
)


def no_key(url: str, names: str, key: str) -> str:
    return (
        f"holdover: warning: {url}: no key will be sent there for {names}, because "
        "there is none for this upstream, and their tokens are never sent on; "
        f"set {key}, or callers.NAME.{key}.\n"
    )


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("", ""),
        (KEY, ""),
        (LEGACY, ""),
        (LEGACY + LISTED, ""),
        (LEGACY + KEY, OWN_KEYS),
        (LEGACY + KEY + 'legacy_key = "sk-2"\n', ""),
        (LEGACY + 'legacy_key = "sk-2"\n', ""),
        (LEGACY.replace("http://legacy.invalid", "https://api.anthropic.com/old") + KEY, ""),
        (LEGACY + KEY + LISTED, no_key("legacy_url", "a", "legacy_key")),
        (LEGACY + KEY + LISTED + 'legacy_key = "sk-2"\n', ""),
        (
            LEGACY
            + LISTED
            + 'legacy_key = "sk-2"\n'
            + f'[callers.b]\ntoken = "{TOKEN_OF_A[:-1]}c"',
            no_key("upstream_url", "a", "upstream_key"),
        ),
    ],
)
def test_what_goes_without_a_key_of_ours_although_there_is_one_is_said(tmp_path, text, warnings):
    file = tmp_path / "holdover.toml"
    file.write_text(text)
    done = run("check", str(file))

    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines(keepends=True)
    about_keys = [line for line in said if "keys will be sent" in line or "no key will" in line]
    assert "".join(about_keys) == warnings
    assert "sk-" not in done.stdout + done.stderr


NAMED = 'digest_key = "k"\n[callers.old-app]\ndigest = "0123456789abcdef"\n'
FOR_NAMED = '[[rollout]]\nname = "old"\naction = "refuse"\nmatch = { caller = "old-app" }\n'


@pytest.mark.parametrize("caller", ["old-app", "0123456789abcdef"])
def test_a_caller_with_a_digest_is_asked_about_by_its_name_or_by_that(config, caller: str):
    config.write_text(NAMED + FOR_NAMED)

    assert check(config, "--caller", caller).startswith("old: yes.\n")


def test_a_caller_given_by_its_digest_meets_rules_about_the_key(config):
    text = FOR_NAMED.replace('caller = "old-app"', 'key = "0123456789abcdef"')
    config.write_text(f'digest_key = "k"\n{text}')

    assert check(config, "--caller", "0123456789abcdef").startswith("old: yes.\n")


def test_the_digests_of_keys_that_are_held_are_shown_and_by_which_key(config):
    config.write_text(f'upstream_key = "sk-1"\n{NAMED}')
    done = run("check", str(config))

    assert done.stdout.endswith(
        "Digests of keys in the log are made with digest_key; `holdover keys digest` prints others."
        f"\n   {Digester('k').caller(b'sk-1')}  upstream_key"
        "\n   0123456789abcdef  the key of old-app\n"
    )
    assert "sk-1" not in done.stdout


def test_digests_are_those_of_the_key_that_the_server_keeps(config, tmp_path):
    text = f'state_dir = "{tmp_path}"\nupstream_key = "sk-1"\n'
    config.write_text(text)
    before = run("check", str(config)).stdout
    (tmp_path / "digest.key").write_text("kept\n")
    after = run("check", str(config)).stdout

    assert f"not known here. digest_key is not set, and {tmp_path}/digest.key cannot" in before
    assert "upstream_key" not in before
    assert f"are made with the key in {tmp_path}/digest.key;" in after
    assert f"   {Digester('kept').caller(b'sk-1')}  upstream_key\n" in after


@pytest.mark.measured
@pytest.mark.unmeasured
def test_traces_without_opentelemetry_are_refused_with_what_to_install(tmp_path: Path):
    (tmp_path / "opentelemetry.py").touch()  # in place of the packages
    (tmp_path / "holdover.toml").write_text("traces = true\n")
    said = run_process("check", str(tmp_path / "holdover.toml"), PYTHONPATH=str(tmp_path))

    assert said.returncode != 0
    assert "line 1: traces: needs OpenTelemetry: pip install 'holdover[otel]'" in said.stderr


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]
)
def test_traces_go_by_one_protocol(tmp_path: Path, name: str):
    (tmp_path / "holdover.toml").write_text("traces = true\n")
    asked = ("check", str(tmp_path / "holdover.toml"))
    fits, does_not = (run(*asked, **{name: protocol}) for protocol in ("http/protobuf", "grpc"))

    assert fits.returncode == 0, fits.stderr
    assert does_not.returncode != 0
    assert f"traces: {name} asks for grpc, but Holdover sends http/protobuf" in does_not.stderr
