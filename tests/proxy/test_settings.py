from pathlib import Path

import pytest

from proxy.config_file import InvalidSettings
from proxy.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", ""), ("/", ""), ("anthropic", "/anthropic"), ("/a/b/", "/a/b")],
)
def test_a_mount_prefix_begins_with_a_slash_and_does_not_end_with_one(given: str, kept: str):
    assert load_settings(mount_prefix=given).mount_prefix == kept


def test_a_base_url_loses_its_last_slash():
    assert load_settings(upstream_url="http://h:1/p/").upstream_url == "http://h:1/p"


def test_models_are_mapped_by_pattern_in_the_file(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    file.write_text('[models]\n"claude-instant-*" = "claude-haiku-4-5"\n')

    assert load_settings(file).models == {"claude-instant-*": "claude-haiku-4-5"}


def test_a_setting_that_is_out_of_range_is_named():
    with pytest.raises(InvalidSettings, match="ping_interval: Input should be greater than 0"):
        load_settings(ping_interval=0)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path):
    file = tmp_path / "holdover.toml"
    file.write_text("= 1")

    with pytest.raises(InvalidSettings, match=r"holdover\.toml"):
        load_settings(file)


def test_every_setting_is_in_the_readme():
    readme = (Path(__file__).parents[2] / "README.md").read_text()

    assert [name for name in Settings.model_fields if f"| `{name}` |" not in readme] == []


def test_an_empty_secret_is_none():
    assert load_settings(admin_token="", digest_key="").admin_token is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"prefill": "reroute"}, "prefill: reroute needs prefill_model"),
        ({"upstream_url": "http://u:p@h"}, "upstream_url: .*a base url has no username"),
        ({"upstream_url": "http://h/?q=1"}, "upstream_url: .*a base url has no query"),
        ({"shutdown_timeout": float("inf")}, "shutdown_timeout: "),
    ],
)
def test_settings_that_would_fail_later_fail_at_once(settings, problem: str):
    with pytest.raises(InvalidSettings, match=problem):
        load_settings(**settings)


def test_a_misspelt_variable_or_secret_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "HOLDOVER_ADMIN_TOKN").write_text("x")
    with pytest.raises(InvalidSettings, match="HOLDOVER_ADMIN_TOKN: there is no such setting"):
        load_settings(secrets=tmp_path)
    with pytest.raises(InvalidSettings, match="no such directory"):
        load_settings(secrets=tmp_path / "nowhere")

    monkeypatch.setenv("HOLDOVER_UPSTRAEM_URL", "x")
    with pytest.raises(InvalidSettings, match="environment: HOLDOVER_UPSTRAEM_URL"):
        load_settings()


def test_variables_that_kubernetes_makes_of_a_service_are_none_of_ours(
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8080_TCP_ADDR"]:
        monkeypatch.setenv(f"HOLDOVER_{name}", "10.0.0.1")

    assert load_settings().port == 8080
