from pathlib import Path

import pytest

from proxy.settings import InvalidSettings, Settings, load_settings


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
