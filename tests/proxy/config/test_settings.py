from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from proxy.config.settings import CallerSettings, KeyFrom, Settings
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings
from proxy.rollout.rule_schema import OverrideSettings, RuleSettings
from tests.unprivileged import as_nobody, public_directory

HASH = "sha256:" + "0" * 64
WEBHOOK = f"whsec_{'A' * 43}="


def written(text: str) -> Settings:
    return load_settings(TomlSource(Path("h.toml"), text))


def problem(text: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        written(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", ""), ("/", ""), ("anthropic", "/anthropic"), ("/a/b/", "/a/b")],
)
def test_a_mount_prefix_begins_with_a_slash_and_does_not_end_with_one(given: str, kept: str):
    assert load_settings(mount_prefix=given).mount_prefix == kept


@pytest.mark.parametrize("given", ["", "/", "console", "/ops/console-2/", "/~a/b.c_d"])
def test_a_prefix_of_the_console_is_a_plain_path(given: str):
    assert load_settings(console_prefix=given).console_prefix == f"/{given.strip('/')}".rstrip("/")


@pytest.mark.parametrize(
    "given", ["/a b", "/a;b", "/a?b", "/a#b", "/%61", "/ä", "/a//b", "/..", "/a/./b", "/a\r\nb"]
)
def test_a_prefix_that_means_something_in_an_address_or_a_cookie_is_refused(given: str):
    with pytest.raises(InvalidSettings, match="console_prefix: use letters"):
        load_settings(console_prefix=given)


def test_a_base_url_loses_its_last_slash():
    assert load_settings(upstream_url="http://h:1/p/").upstream_url == "http://h:1/p"


@pytest.mark.parametrize("added", ["/v1", "/v1/", "/v1/messages", "/v1/complete"])
@pytest.mark.parametrize("name", ["upstream_url", "legacy_url"])
def test_a_base_url_with_the_path_that_is_added_to_it_is_refused(name: str, added: str):
    assert problem(f'{name} = "https://h/p{added}"') == (
        f"h.toml, line 1: {name}: Holdover adds `{added.rstrip('/')}` itself: write https://h/p"
    )


@pytest.mark.parametrize("url", ["http://h/v1/p", "http://h/av1", "http://h/v10", "http://v1"])
def test_a_base_url_may_have_any_other_path(url: str):
    assert load_settings(upstream_url=url).upstream_url == url


@pytest.mark.parametrize("other", ["x-team", "X_TEAM"])
def test_a_header_that_is_given_twice_is_refused_by_both_spellings(other: str):
    assert problem(f'upstream_headers = {{ X-Team = "a", {other} = "b" }}') == (
        f"h.toml, line 1: upstream_headers: `X-Team` and `{other}` are the same name; "
        "keep one of them"
    )


def test_a_header_that_a_rule_matches_twice_is_refused_by_both_spellings():
    rule = '[[rollout]]\nname = "a"\naction = "translate"\n'

    assert 'rule "a": match.header: `X-Team` and `x-team` are the same name' in problem(
        rule + 'match.header = { X-Team = "a*", x-team = "*b" }'
    )


def test_models_are_mapped_by_pattern_in_the_file(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    file.write_text('[models]\n"claude-instant-*" = "claude-haiku-4-5"\n')

    assert load_settings(file).models == {"claude-instant-*": "claude-haiku-4-5"}


def test_a_setting_that_is_out_of_range_is_named():
    with pytest.raises(InvalidSettings, match="ping_interval: must be more than 0"):
        load_settings(ping_interval=0)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    file.write_text("= 1")

    with pytest.raises(InvalidSettings, match=r"holdover\.toml"):
        load_settings(file)


def test_an_empty_secret_is_none():
    assert load_settings(admin_token="", digest_key="").admin_token is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"prefill": "reroute"}, "prefill: reroute needs prefill_model"),
        ({"upstream_url": "http://u:p@h"}, "upstream_url: .*a base URL must not have a username"),
        ({"upstream_url": "http://h/?q=1"}, "upstream_url: .*a base URL must not have a query"),
        ({"shutdown_timeout": float("inf")}, "shutdown_timeout: "),
        ({"prefill_model": ""}, "prefill_model: must have 1 or more characters"),
        ({"legacy_url": "nonsense"}, "legacy_url: must be a URL such as https://api.anthropic.com"),
    ],
)
def test_settings_that_would_fail_later_fail_at_once(settings, problem: str):
    with pytest.raises(InvalidSettings, match=problem):
        load_settings(**settings)


def test_a_misspelt_variable_or_secret_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "HOLDOVER_ADMIN_TOKN").write_text("x")
    with pytest.raises(
        InvalidSettings,
        match="unknown setting `HOLDOVER_ADMIN_TOKN`; did you mean `HOLDOVER_",
    ):
        load_settings(secrets=tmp_path)
    with pytest.raises(InvalidSettings, match="no such directory"):
        load_settings(secrets=tmp_path / "nowhere")

    monkeypatch.setenv("HOLDOVER_UPSTRAEM_URL", "x")
    with pytest.raises(InvalidSettings, match="environment: unknown setting `HOLDOVER_UPSTRAEM_"):
        load_settings()


def test_variables_that_kubernetes_makes_of_a_service_are_none_of_ours(
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8080_TCP_ADDR"]:
        monkeypatch.setenv(f"HOLDOVER_{name}", "10.0.0.1")

    assert load_settings().port == 8080


def test_settings_are_written_with_hyphens_or_underscores():
    with_hyphens = written('legacy-url = "http://h"\nprefill-model = "m"\n[model-facts.x-y]\n')
    with_underscores = written('legacy_url = "http://h"\nprefill_model = "m"\n[model_facts.x-y]\n')

    assert with_hyphens.model_dump() == with_underscores.model_dump()
    assert with_hyphens.legacy_url == "http://h"


RULE = '# first\n\n[[rollout]]\nname = "a"\naction = "translate"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# a\nprot = 1", "h.toml, line 2: unknown setting `prot`; did you mean `port`?"),
        (
            "workers = 0",
            "h.toml, line 1: workers: must be at least 1",
        ),
        (
            '\nprefill = "reroute"',
            "h.toml, line 2: prefill: reroute needs prefill_model",
        ),
        (RULE + 'share = "25"', 'h.toml, line 6: rule "a": share: must be a number'),
        (
            RULE + "shaer = 25",
            'h.toml, line 6: rule "a": unknown setting `shaer`; did',
        ),
        (
            RULE + 'by = "random"',
            'h.toml, line 6: rule "a": by: has no effect without share; add a share or remove it',
        ),
        (
            RULE + '[rollout.match]\nmodel = "x"\nstreamed = "yes"',
            'h.toml, line 8: rule "a": match.streamed: must be `true` or `false`',
        ),
        (RULE + "[[rollout]]\nname = 'b'", 'h.toml, line 6: rule "b": action: is missing'),
        (
            RULE + 'share = 5\nprefill = "reroute"',
            'h.toml, line 7: rule "a": prefill: reroute needs prefill_model in the same table',
        ),
        (
            RULE + "on-failure = 'forward'",
            'h.toml, line 6: rule "a": on_failure.action: forward needs the setting legacy_url',
        ),
        (
            "[rollout-override]\naction = 'forward'",
            "h.toml, line 2: rollout_override.action: forward needs the setting legacy_url",
        ),
        (
            "rollout-override = 'stop'",
            "h.toml, line 1: rollout_override.action:"
            " must be one of `forward`, `refuse`, `translate`",
        ),
        (
            "[callers.a]\n\ntoken = 'sk'",
            "h.toml, line 3: callers.a.token: must be `sha256:` and",
        ),
        ("[callers.'a b']\ntoken = 'x'", "h.toml, line 1: callers.a b: the name must have 1 to 64"),
        (
            f"[callers.a]\ntoken = '{HASH}'\nupstream-key = 5",
            "h.toml, line 3: callers.a.upstream_key: must be a text",
        ),
        (
            f"[callers.a]\ntoken = '{HASH}'\nupstream-key = {{}}",
            "h.toml, line 3: callers.a.upstream_key: give exactly one of env and file",
        ),
        (
            f"[callers.a]\ntoken = '{HASH}'\nlegacy-key = ' '",
            "h.toml, line 3: callers.a.legacy_key: is empty",
        ),
        (
            f"[callers.a]\ntoken = '{HASH}'\nlegacy-key = 'sk-\u20ac'",
            "h.toml, line 3: callers.a.legacy_key: contains a character that is not Latin-1",
        ),
        (
            f"[callers.a]\ntoken = '{HASH}'\nlegacy-key = \"sk-\\t1\"",
            "h.toml, line 3: callers.a.legacy_key: contains a control character",
        ),
        (
            f"[callers.a]\ntoken = '{HASH}'\nupstream-key = {{ env = 'A', file = 'b' }}",
            "h.toml, line 3: callers.a.upstream_key: give exactly one of env and file",
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_line(text, said):
    assert problem(text).split("\n")[0].startswith(said)


def test_all_that_is_wrong_is_said_at_once():
    assert problem("prot = 1\nworkers = 0").split("\n") == [
        "h.toml, line 2: workers: must be at least 1",
        "h.toml, line 1: unknown setting `prot`; did you mean `port`?",
    ]


def test_callers_have_names_tokens_and_keys_of_their_own():
    settings = written(
        f"""
        upstream-key = "sk-ant-server"
        [callers.billing-eu]
        token = "{HASH}"
        upstream-key = "sk-ant-billing"
        [callers."ads@example.com"]
        token = "{HASH}"
        upstream-key = {{ env = "ADS_KEY" }}
        [callers.search]
        token = "{HASH}"
        upstream-key = {{ file = "/run/secrets/search" }}
        [callers.old_app]
        token = "{HASH}"
        """
    )

    assert settings.upstream_key == SecretStr("sk-ant-server")
    assert settings.callers == {
        "billing-eu": CallerSettings(token=HASH, upstream_key=SecretStr("sk-ant-billing")),
        "ads@example.com": CallerSettings(token=HASH, upstream_key=KeyFrom(env="ADS_KEY")),
        "search": CallerSettings(
            token=HASH, upstream_key=KeyFrom(file=Path("/run/secrets/search"))
        ),
        "old_app": CallerSettings(token=HASH),
    }


def test_no_secret_is_in_a_representation_or_a_complaint(tmp_path: Path):
    (tmp_path / "HOLDOVER_DIGEST_KEY").write_text("sk-ant-digest")
    text = (
        f"upstream-key = 'sk-ant-server'\n[callers.a]\ntoken = '{HASH}'\nupstream-key = 'sk-ant-a'"
    )

    settings = load_settings(
        TomlSource(Path("h.toml"), text), secrets=tmp_path, admin_token="sk-ant-admin-token"
    )
    complaint = problem(text + "\ntokne = 'sk-ant-b'\n")

    assert settings.digest_key == SecretStr("sk-ant-digest")
    assert "sk-ant" not in repr(settings)
    assert "sk-ant" not in complaint


@pytest.mark.parametrize("token", ["x", "x" * 15, "two words that are long enough"])
def test_an_admin_token_that_can_be_guessed_or_sent_by_nobody_stops_the_start(token: str):
    with pytest.raises(InvalidSettings) as told:
        load_settings(admin_token=token)

    assert str(told.value) == (
        "admin_token: use at least 16 characters without white space, such as the output of "
        "`openssl rand -hex 24`"
    )


def test_an_admin_token_of_sixteen_characters_is_long_enough():
    assert load_settings(admin_token="x" * 16).admin_token == SecretStr("x" * 16)


@pytest.mark.parametrize("nothing", ["", " ", "\\n\\t "])
def test_an_empty_upstream_key_is_none(nothing):
    assert written(f'upstream-key = "{nothing}"').upstream_key is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://hook.example/secretpath", "is not a URL of http or https"),
        ("secretpath", "is not a URL of http or https"),
        ("https://hook.example/secretpath\n", None),
        ("https://hook.example/a\nsecretpath", "is not a URL of http or https"),
        ("https://user@hook.example/secretpath", "must not have a username; remove it"),
        ("https://:pw@hook.example/secretpath", "must not have a password; remove it"),
        ("https://hook.example/secretpath#here", "must not have a fragment; remove it"),
    ],
)
def test_the_url_of_a_webhook_is_one_and_is_never_shown(url: str, why: str | None):
    if why is None:
        assert "secretpath" not in repr(load_settings(notify_url=url, notify_secret=WEBHOOK))
        return
    with pytest.raises(InvalidSettings) as caught:
        load_settings(notify_url=url, notify_secret=WEBHOOK)

    assert str(caught.value) == f"notify_url: {why}"


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_",
        "whsec_c2hvcnQ=",
        f"whsec_{'A' * 88}",
        "whsec_not Base64 at all, but long enough",
        WEBHOOK.removeprefix("whsec_"),
    ],
)
def test_a_secret_that_signs_notices_is_spelled_as_the_standard_says(secret: str):
    with pytest.raises(InvalidSettings) as caught:
        load_settings(notify_secret=secret)

    assert "notify_secret: write whsec_ and 24 to 64 bytes in Base64 behind it" in str(caught.value)


def test_notices_are_signed_or_not_sent():
    with pytest.raises(InvalidSettings) as caught:
        load_settings(notify_url="https://hook.example/")

    assert "notify_url: needs notify_secret" in str(caught.value)


LONG = "a-secret-that-is-long-enough"
SECRETS = ("upstream_key", "legacy_key", "admin_token", "digest_key", "traffic_url")


def by_flag(name: str, value: str) -> Settings:
    flags: dict[str, Any] = {name: value}
    return load_settings(**flags)


def given(source: str, name: str, value: str, tmp_path: Path, patch: pytest.MonkeyPatch):
    """A secret from one of the places that settings come from."""
    match source:
        case "environment":
            patch.setenv(f"HOLDOVER_{name.upper()}", value)
        case "secrets":
            (tmp_path / f"HOLDOVER_{name.upper()}").write_text(value)
        case "file":
            escaped = "".join(f"\\U{ord(character):08x}" for character in value)
            return load_settings(TomlSource(Path("h.toml"), f'{name} = "{escaped}"'))
        case _:
            return by_flag(name, value)
    return load_settings(secrets=tmp_path)


@pytest.mark.parametrize("source", ["environment", "secrets", "file", "flag"])
@pytest.mark.parametrize("name", SECRETS)
def test_white_space_around_a_secret_is_taken_off_wherever_it_comes_from(
    name, source, tmp_path, monkeypatch
):
    secret = "sqlite:////var/traffic.db" if name == "traffic_url" else LONG

    settings = given(source, name, f" {secret}\r\n", tmp_path, monkeypatch)

    assert getattr(settings, name) == SecretStr(secret)


@pytest.mark.without_coverage
@pytest.mark.one_in(5)
@pytest.mark.parametrize("source", ["environment", "secrets", "file", "flag"])
@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "character", ["\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u200b", "\u2028"]
)
def test_a_secret_with_a_character_that_cannot_be_seen_stops_the_start_unseen(
    name, source, character, tmp_path, monkeypatch
):
    secret = f"sqlite:////var/hid{character}den" if name == "traffic_url" else f"{LONG}{character}x"
    with pytest.raises(InvalidSettings) as caught:
        given(source, name, secret, tmp_path, monkeypatch)

    said = str(caught.value)
    assert said.endswith(f"{name}: contains a control character or another that is invisible")
    assert len(said.splitlines()) == 1
    assert "den" not in said
    assert LONG not in said


@pytest.mark.parametrize("name", SECRETS[:-1])
def test_a_secret_that_no_header_can_hold_stops_the_start_unseen(name):
    assert getattr(by_flag(name, f"{LONG}\xe9"), name) == SecretStr(f"{LONG}\xe9")
    with pytest.raises(InvalidSettings) as caught:
        by_flag(name, f"{LONG}\u20ac")

    assert (
        str(caught.value)
        == f"{name}: contains a character that is not Latin-1, as HTTP headers need"
    )


def test_a_store_may_have_a_name_that_no_header_can_hold():
    url = "sqlite:////var/\u6587.db"

    assert load_settings(traffic_url=url).traffic_url == SecretStr(url)


def test_a_secret_that_is_no_text_is_named():
    assert problem("upstream-key = ['x']") == ("h.toml, line 1: upstream_key: must be a text")


def test_rules_and_the_override_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    rule = '{"name": "a", "action": "refuse", "campaign": {"sunset": "2027-01-01"}}'
    monkeypatch.setenv("HOLDOVER_ROLLOUT", f"[{rule}]")
    monkeypatch.setenv("HOLDOVER_ROLLOUT_OVERRIDE", "translate")

    settings = written("rollout-override = 'refuse'")

    assert settings.rollout == (
        RuleSettings.model_validate(
            {"name": "a", "action": "refuse", "campaign": {"sunset": "2027-01-01"}}
        ),
    )
    assert settings.rollout_override == OverrideSettings(action="translate")


def test_a_list_that_is_not_json_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOLDOVER_ROLLOUT", "[{")

    with pytest.raises(InvalidSettings, match="environment, HOLDOVER_ROLLOUT: rollout: must be"):
        load_settings()


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"STATE_DIRECTORY": "/var/lib/holdover"}, "/var/lib/holdover"),
        ({"XDG_STATE_HOME": "/state"}, "/state/holdover"),
        ({"HOME": "/home/h"}, "/home/h/.local/state/holdover"),
    ],
)
def test_state_is_kept_where_the_system_says(
    environment, directory: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert load_settings().state_dir == Path(directory)


def test_what_is_not_named_like_a_setting_is_no_secret(tmp_path: Path):
    (tmp_path / "..data").mkdir()
    (tmp_path / "HOLDOVER_LOG_FORMAT").write_text("json")

    assert load_settings(secrets=tmp_path).log_format == "json"


@pytest.mark.parametrize("place", ["closed", "closed/below"])
def test_a_directory_of_secrets_that_may_not_be_read_is_named(place: str):
    with public_directory() as public:
        (public / "closed" / "below").mkdir(parents=True)
        (public / "closed").chmod(0)
        with as_nobody(), pytest.raises(InvalidSettings, match=f"{place}: Permission denied"):
            load_settings(secrets=public / place)
        (public / "closed").chmod(0o700)


def test_without_a_file_there_are_the_defaults():
    assert Settings().model_dump() == load_settings().model_dump()


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("(", "is not a valid regular expression"), ("x*", "matches the empty text")],
)
def test_a_pattern_has_to_find_something(pattern, said):
    assert f"redact.ticket: {said}" in problem(f'[redact]\nticket = "{pattern}"')
    assert "redact" in problem('[redact]\n"TICKET 1" = "x"')
    assert written('[redact]\nticket = "T-[0-9]+"').redact == {"ticket": "T-[0-9]+"}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        *(("", "is not the name of a header"), ("x team", "is not the name of a header")),
        *(("x-team:", "is not the name of a header"), ("X-API-Key", "cannot be added")),
        *(("Connection", "cannot be added"), ("holdover-rule", "cannot be added")),
    ],
)
def test_a_header_that_cannot_be_kept_or_added_is_refused(name, problem):
    for given in ({"forward_headers": [name]}, {"upstream_headers": {name: "x"}}):
        with pytest.raises(InvalidSettings, match=problem):
            load_settings(**given)


def test_headers_are_kept_and_added_in_any_spelling():
    settings = load_settings(forward_headers=["X_Team"], upstream_headers={"X-Team": "search"})

    assert settings.forward_headers == {"x-team"}
    assert list(settings.upstream_headers) == ["x-team"]
