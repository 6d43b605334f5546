"""What settings allow and is unwise is said; it stops nothing."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.risks import (
    misspelt_models,
    override_risks,
    reroutes_in_vain,
    risks_of,
)
from tests.command_line import run
from tests.fleet import running_fleet

NOW = datetime(2026, 11, 29, tzinfo=UTC)
TOKEN = f'token = "sha256:{"0" * 64}"'


PLACE = re.compile('(rule "[^"]*": )?[^:]*')


def risks(directory: Path, text: str, mode: int = 0o644) -> list[str]:
    """The names of what is unwise in a file with this text and this mode."""
    file = directory / "holdover.toml"
    file.write_text(f'state_dir = "{directory}/state"\n{text}')
    file.chmod(mode)
    said = list(risks_of(load_settings(TomlSource.read(file)), file, now=NOW))
    places = (PLACE.match(risk.replace(str(file), "FILE")) for risk in said)
    return [place[0] for place in places if place]


@pytest.mark.parametrize(
    "text",
    [
        'upstream_key = "k"',
        'admin-token = "a-token-of-sixteen"',
        'digest_key = "k"',
        'traffic_url = "postgresql://user:secret@host/db"',
        'traffic_url = "postgresql://host/db?password=secret"',
        f'[callers.a]\n{TOKEN}\nupstream_key = "k"',
    ],
)
def test_keys_in_a_file_that_everybody_can_read(tmp_path: Path, text: str):
    assert risks(tmp_path, text, 0o644) == ["FILE"]
    assert risks(tmp_path, text, 0o604) == ["FILE"]
    assert risks(tmp_path, text, 0o640) == []
    assert risks(tmp_path, text, 0o600) == []


def test_a_file_that_everybody_can_change(tmp_path: Path):
    assert risks(tmp_path, "", 0o602) == ["FILE"]
    assert risks(tmp_path, 'upstream_key = "k"', 0o606) == ["FILE"]
    assert risks(tmp_path, "", 0o620) == []


def test_a_callers_key_in_a_file_that_everybody_can_read(tmp_path: Path):
    key = tmp_path / "key"
    caller = f"[callers.a]\n{TOKEN}\nlegacy_key = {{ file = '{key}' }}"

    assert risks(tmp_path, caller) == []
    key.write_text("sk-ant-api03-secret")
    key.chmod(0o604)
    assert risks(tmp_path, caller) == ["callers.a.legacy_key"]
    key.chmod(0o600)
    assert risks(tmp_path, caller) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "port = 1",
        'upstream_key = ""',
        'traffic_url = "sqlite:////a@b/c.db"',
        'traffic_url = "postgresql://user@host/db"',
        f'[callers.a]\n{TOKEN}\nupstream_key = {{ env = "HOME" }}',
        f"[callers.a]\n{TOKEN}",
    ],
)
def test_a_file_without_keys_may_be_read_by_everybody(tmp_path: Path, text: str):
    assert risks(tmp_path, text) == []


def test_a_key_of_the_environment_is_not_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOLDOVER_UPSTREAM_KEY", "k")

    assert risks(tmp_path, "") == []
    assert risks(tmp_path, 'upstream_key = "another"') == ["FILE"]


HOSTS = ['"0.0.0.0"', '"::"', '""', '"10.0.0.1"', '"example.com"']
LOCAL = ['"127.0.0.1"', '"127.1.2.3"', '"::1"', '"localhost"', '"LocalHost."']


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", ["upstream_key", "legacy_key"])
@pytest.mark.parametrize("host", [*HOSTS, *LOCAL])
def test_a_held_key_on_an_address_that_others_reach(tmp_path: Path, host: str, name: str):
    expected = ["host"] * (host in HOSTS)
    caller = f"[callers.a]\n{TOKEN}\n"

    assert risks(tmp_path, f"host = {host}") == []
    assert risks(tmp_path, f"host = {host}\n{caller}") == []
    assert risks(tmp_path, f'host = {host}\n{name} = "k"', 0o600) == expected
    for key in ('"k"', '{ env = "HOME" }'):
        assert risks(tmp_path, f"host = {host}\n{caller}{name} = {key}", 0o600) == expected


PUBLIC = [
    "api.anthropic.com",
    "api.example",
    "8.8.8.8",
    "[2606:4700::1]",
    "[::ffff:8.8.8.8]",
    "a.b.",
]
PRIVATE = [
    *(
        "127.0.0.1",
        "localhost",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.1.1",
        "100.64.0.1",
    ),
    *("[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.1]", "gateway", "a.local", "llm.internal"),
    *("a.home.arpa", "llm.team.svc", "llm.team.svc.cluster.local", "x.localhost"),
]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("setting", ["upstream_url", "legacy_url"])
@pytest.mark.parametrize("host", [*PUBLIC, *PRIVATE])
def test_plain_http_to_a_public_host(tmp_path: Path, setting: str, host: str):
    expected = [setting] * (host in PUBLIC)

    assert risks(tmp_path, f'{setting} = "http://{host}:8000/a"') == expected
    assert risks(tmp_path, f'{setting} = "https://{host}:8000/a"') == []


def test_plain_http_to_a_public_webhook(tmp_path: Path):
    secret = f'notify_secret = "whsec_{"A" * 43}="\n'

    public, private = (f'{secret}notify_url = "http://{each[0]}/a"' for each in (PUBLIC, PRIVATE))

    assert risks(tmp_path, public, 0o600) == ["notify_url"]
    assert risks(tmp_path, private, 0o600) == []


def test_a_directory_of_state_that_everybody_gets_into(tmp_path: Path):
    (tmp_path / "state").mkdir(mode=0o755)

    assert risks(tmp_path, "") == ["state_dir"]
    (tmp_path / "state").chmod(0o750)
    assert risks(tmp_path, "") == []


def test_without_a_file_there_is_none_to_be_read(tmp_path: Path):
    settings = load_settings(state_dir=tmp_path / "state", upstream_key="k")

    assert list(risks_of(settings, None, now=NOW)) == []


CAMPAIGN = """
[[rollout]]
name = "old"
action = "translate"
[rollout.campaign]
sunset = 2026-11-01T12:00:00Z
"""


@pytest.mark.parametrize(
    ("sunset", "said"),
    [("2026-11-01T12:00:00Z", True), ("2026-11-29", True), ("2026-11-29T00:01:00Z", False)],
)
def test_a_sunset_in_the_past(tmp_path: Path, sunset: str, said: bool):
    text = CAMPAIGN.replace("2026-11-01T12:00:00Z", sunset)

    assert risks(tmp_path, text) == ['rule "old": campaign.sunset'] * said


def override_warnings(tmp_path: Path, override: str, *models: str) -> list[str]:
    rules = "".join(
        f'[[rollout]]\nname = "r{number}"\nmatch = {{ model = "{number}" }}\n{model}\n'
        for number, model in enumerate(models)
    )
    file = tmp_path / "holdover.toml"
    file.write_text(f"rollout-override = {override}\n{rules}\n")
    return list(override_risks(load_settings(TomlSource.read(file))))


TO_HAIKU = 'action = "translate"\nmodel = "claude-haiku-4-5"'
TO_OPUS = 'action = "translate"\nmodel = "claude-opus-4-8"'
TO_NEW = 'action = "translate"\nmodel = "claude-new-9"'
HAIKU = "claude-haiku-4-5 ($1 and $5 per million tokens in and out)"
OPUS = "claude-opus-4-8 ($5 and $25 per million tokens in and out)"


@pytest.mark.parametrize(
    ("override", "rule", "before", "after"),
    [
        ('"translate"', TO_HAIKU, HAIKU, "the model that they name (or its successor)"),
        (f"{{ {TO_OPUS} }}".replace("\n", ", "), TO_HAIKU, HAIKU, OPUS),
        (f"{{ {TO_NEW} }}".replace("\n", ", "), TO_HAIKU, HAIKU, "claude-new-9 (price unknown)"),
    ],
)
def test_an_override_that_changes_the_model_of_a_rule_and_its_price(
    tmp_path: Path, override: str, rule: str, before: str, after: str
):
    assert override_warnings(tmp_path, override, rule) == [
        f"rollout_override: requests that rule r0 would send to {before} go to {after} as long as"
        " the override is on"
    ]


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ('"refuse"', TO_HAIKU),
        ('"translate"', 'action = "translate"'),
        ('"translate"', 'action = "refuse"'),
        (f"{{ {TO_HAIKU} }}".replace("\n", ", "), TO_HAIKU),
    ],
)
def test_an_override_that_leaves_the_models_of_rules_alone(
    tmp_path: Path, override: str, rule: str
):
    assert override_warnings(tmp_path, override, rule) == []


def test_the_prices_that_an_operator_pays_are_those_that_are_said(tmp_path: Path):
    prices = '[prices]\n"claude-haiku-4-5" = { input = 0.5, output = 2 }'

    [said] = override_warnings(tmp_path, '"translate"', TO_HAIKU, 'action = "refuse"\n' + prices)

    assert "claude-haiku-4-5 ($0.5 and $2 per million" in said


def test_who_sets_an_override_is_told_what_it_changes(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    file.write_text(f"[[rollout]]\nname = 'canary'\n{TO_OPUS}\n")

    done = run("rollout", "override", "translate", "--config", str(file))

    assert done.returncode == 0
    assert done.stderr.startswith("holdover: warning: rollout_override: requests that rule canary")
    assert run("rollout", "override", "off", "--config", str(file)).stderr == ""


def test_an_override_that_only_the_servers_environment_makes_valid_is_set_without_a_word(
    tmp_path: Path,
):
    file = tmp_path / "holdover.toml"
    file.write_text("[[rollout]]\nname = 'old'\naction = 'forward'\n")

    done = run("rollout", "override", "translate", "--config", str(file))

    assert (done.returncode, done.stderr) == (0, "")


UNWISE = 'host = "0.0.0.0"\nupstream_key = "sk-secret"\nlegacy_url = "http://old.example.com"\n'


def test_check_says_what_why_and_what_to_do(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    file.write_text(f'{UNWISE}state_dir = "{tmp_path}/state"\n')
    file.chmod(0o644)

    done = run("check", str(file))

    assert done.returncode == 0
    assert done.stdout.startswith(f"{file} is valid: ")
    assert done.stderr.split("\n") == [
        f"holdover: warning: {file}: every user of this machine can read it (mode 0644), and"
        " upstream_key is in it; run `chmod o= FILE`, or keep keys in the environment or in"
        " --secrets.",
        "holdover: warning: host: anyone who can reach 0.0.0.0 can spend the keys held here:"
        " upstream_key; listen on 127.0.0.1, behind a proxy that authenticates clients, or list"
        " `callers` by token, so that tokens are required.",
        "holdover: warning: legacy_url: old.example.com is asked over plain http, so anyone on the"
        " network path can read and change keys and texts; write https://.",
        "holdover: warning: legacy_url: clients' own keys will be sent there, because upstream_key"
        " is only for upstream_url; to send a key of yours instead, set legacy_key.",
        "",
    ]
    file.chmod(0o600)
    assert "can read it" not in run("check", str(file)).stderr


@pytest.mark.parametrize(
    ("caller", "who"),
    [
        ({"token": f"sha256:{'0' * 64}"}, "callers' tokens"),
        ({"digest": "0123456789abcdef"}, "anyone who can reach 0.0.0.0"),  # it opens nothing
    ],
)
def test_only_tokens_keep_others_from_a_key(caller: dict[str, str], who: str):
    settings = load_settings(
        digest_key="k",
        host="0.0.0.0",  # noqa: S104 - nothing listens
        upstream_key="sk-secret",
        callers={"ads": caller},
    )

    [risk] = risks_of(settings, None, now=NOW)
    assert risk.startswith(f"host: {who}")


@pytest.mark.without_coverage
@pytest.mark.thorough
def test_a_server_logs_them_at_its_start_and_serves(tmp_path: Path):
    with running_fleet(tmp_path, 'upstream_key = "sk-ant-api03-secret"\n') as fleet:
        (tmp_path / "holdover.toml").chmod(0o644)
        answer = fleet.ask("any")
        line = fleet.line("risky_setting")

    assert answer.status_code == 200
    assert line["level"] == "warning"
    assert "upstream_key is in it" in line["risk"]
    assert "api03" not in str(line)


TRANSLATE = '[[rollout]]\nname = "a"\naction = "translate"\n'


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('prefill_model = "claude-haiku-4-6"', ["prefill_model"]),
        ('[models]\n"claude-2*" = "claude-haiku-4-6"', ["models.claude-2*"]),
        ('[models]\n"claude-instnat-1" = "claude-haiku-4-5"', ["models.claude-instnat-1"]),
        (
            '[rollout-override]\naction = "translate"\nmodel = "claude-haiku-4-6"',
            ["rollout_override.model"],
        ),
        (f'{TRANSLATE}model = "claude-haiku-4-6"', ['rule "a": model']),
        (f'{TRANSLATE}prefill_model = "claude-haiku-4-6"', ['rule "a": prefill_model']),
        (f'{TRANSLATE}match = {{ model = "claude-instnat-1" }}', ['rule "a": match.model']),
        (f'{TRANSLATE}shadow = {{ model = "claude-haiku-4-6" }}', ['rule "a": shadow.model']),
        (
            f'{TRANSLATE}on_failure = {{ action = "translate", model = "claude-haiku-4-6" }}',
            ['rule "a": on_failure.model'],
        ),
        # Known in some spelling, a pattern, of a gateway, or told of.
        ('prefill_model = "anthropic/claude-haiku-4-5"', []),
        (f'{TRANSLATE}match = {{ model = "claude-instnat-*" }}', []),
        ('prefill_model = "team-claude"', []),
        ('prefill_model = "claude-haiku-4-6"\n[model_facts."claude-haiku-4-6"]', []),
    ],
)
def test_a_model_that_is_probably_misspelt(tmp_path: Path, text: str, places: list[str]):
    assert risks(tmp_path, text) == places


def test_what_was_meant_is_said():
    settings = load_settings(prefill_model="claude-haiku-4-6")

    assert list(misspelt_models(settings)) == [
        "prefill_model: Holdover does not know the model 'claude-haiku-4-6'; write"
        " 'claude-haiku-4-5' if that is meant, or list a newer model in model_facts"
    ]


@pytest.mark.parametrize(
    ("model", "is_in_vain"),
    [
        ("claude-opus-4-6", True),
        ("anthropic/claude-opus-4-6", True),
        ("claude-haiku-4-5", False),
        ("team-claude", False),
    ],
)
def test_prefills_that_are_rerouted_to_a_model_that_takes_none(model: str, is_in_vain: bool):
    settings = load_settings(prefill="reroute", prefill_model=model)

    assert [risk.split(",")[0] for risk in reroutes_in_vain(settings)] == (
        [f"prefill_model: the model {model} takes no prefills"] if is_in_vain else []
    )
