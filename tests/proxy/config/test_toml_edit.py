import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.config.toml_edit import set_override, set_share
from proxy.errors import InvalidSettings
from tests.hypothesis_profiles import scaled

FILE = """\
# The house, and its rules
port = 8080  # theirs

# The first: it is small.
[[rollout]]
name = "first"
action = "translate"
share = 5   # percent, for now

# What the rules call by other names
[models]
"claude-2" = "claude-haiku-4-5"

# The second one
[[rollout]]
  name = "second"
  action = "translate"
  [rollout.match]
  model = "claude-2*"

# The end
"""


def kept(directory: Path, text: str = FILE) -> Path:
    path = directory / "holdover.toml"
    path.write_bytes(text.encode())
    return path


def text_of(path: Path) -> str:
    return path.read_bytes().decode()


def test_a_share_is_changed_and_nothing_else(tmp_path: Path):
    path = kept(tmp_path)

    set_share(path, "first", 25)

    assert text_of(path) == FILE.replace("share = 5   #", "share = 25   #")


def test_a_share_that_was_not_written_is_written_below_the_name(tmp_path: Path):
    path = kept(tmp_path)

    set_share(path, "second", 12.5)

    assert text_of(path) == FILE.replace('"second"\n', '"second"\n  share = 12.5\n')


@pytest.mark.parametrize(
    ("percent", "written"), [(0, "0"), (100, "100"), (12.0, "12"), (0.01, "0.01"), (99.99, "99.99")]
)
def test_a_share_is_written_as_a_person_would(tmp_path: Path, percent: float, written: str):
    path = kept(tmp_path)

    set_share(path, "first", percent)

    assert f"\nshare = {written}   # percent, for now\n" in text_of(path)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (
            'rollout = [{ name = "first", action = "refuse" }] # here\n',
            'rollout = [{ name = "first", action = "refuse", share = 7}] # here\n',
        ),
        (
            'rollout = [\n  # one\n  { share = 1, name = "first", action = "refuse" },\n]\n',
            'rollout = [\n  # one\n  { share = 7, name = "first", action = "refuse" },\n]\n',
        ),
        (
            '[[rollout]]\n"name" = "first"\naction = "refuse" # x\n',
            '[[rollout]]\n"name" = "first"\naction = "refuse" # x\nshare = 7\n',
        ),
        (
            '[[rollout]]\naction = "refuse"\nname = """\nfirst"""',
            '[[rollout]]\naction = "refuse"\nname = """\nfirst"""\nshare = 7',
        ),
        (
            '[[rollout]]\r\nname = "first"\r\naction = "refuse"\r\n',
            '[[rollout]]\r\nname = "first"\r\nshare = 7\r\naction = "refuse"\r\n',
        ),
        (
            '[[rollout]]\r\nname = "first"\r\nshare = 1\r\naction = "refuse"\r\n',
            '[[rollout]]\r\nname = "first"\r\nshare = 7\r\naction = "refuse"\r\n',
        ),
    ],
)
def test_a_share_is_changed_however_the_rule_is_written(tmp_path: Path, text: str, changed: str):
    path = kept(tmp_path, text)

    set_share(path, "first", 7)

    assert text_of(path) == changed


@pytest.mark.parametrize(
    ("rule", "percent", "problem"),
    [
        ("third", 5, "there is no rule 'third'"),
        ("first", 101, 'line 8: rule "first": share: must be at most 100'),
        ("first", -1, 'line 8: rule "first": share: must be at least 0'),
        ("first", 33.333, 'line 8: rule "first": share: has more than two decimals; round it'),
        ("first", float("inf"), 'line 8: rule "first": share: must be at most 100'),
        ("first", float("nan"), 'line 8: rule "first": share: must be at most 100'),
    ],
)
def test_a_share_that_cannot_be_leaves_the_file_as_it_was(tmp_path, rule, percent, problem):
    path = kept(tmp_path)
    os.utime(path, (1, 1))
    before = path.stat().st_ino

    with pytest.raises(InvalidSettings, match=problem):
        set_share(path, rule, percent)

    assert path.read_bytes() == FILE.encode()
    assert (path.stat().st_ino, path.stat().st_mtime) == (before, 1)
    assert os.listdir(tmp_path) == ["holdover.toml"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("port = ", "Invalid value"),
        ("rollout = 5", "there is no rule 'first'"),
        ("rollout = ['first']", "there is no rule 'first'"),
        ("rollout = [[]]", "there is no rule 'first'"),
        ("[rollout]\nname = 'first'", "there is no rule 'first'"),
        (
            "prot = 1\n[[rollout]]\nname = 'first'\naction = 'refuse'",
            "line 1: unknown setting",
        ),
    ],
)
def test_a_file_that_is_bad_anyway_is_left_as_it_was(tmp_path: Path, text: str, problem: str):
    path = kept(tmp_path, text)

    with pytest.raises(InvalidSettings, match=problem):
        set_share(path, "first", 5)

    assert text_of(path) == text


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path):
    (tmp_path / "loop").symlink_to("loop")

    for name, problem in [
        ("none.toml", "no such file"),
        ("none/none.toml", "No such file or directory"),
        ("loop", "Too many levels of symbolic links"),
    ]:
        with pytest.raises(InvalidSettings, match=problem):
            set_override(tmp_path / name, "refuse")
    assert os.listdir(tmp_path) == ["loop"]


def test_an_override_is_one_line_that_everybody_sees(tmp_path: Path):
    path = kept(tmp_path)

    set_override(path, "refuse")

    assert text_of(path) == 'rollout-override = "refuse"\n' + FILE


@pytest.mark.parametrize(
    "text",
    [FILE, FILE.replace("\n", "\r\n"), "", "\n\n", "port = 1", "# x", FILE + "\n\n", FILE[:-1]],
)
def test_an_override_comes_and_goes_and_the_file_is_as_before(tmp_path: Path, text: str):
    path = kept(tmp_path, text)

    set_override(path, "refuse")
    set_override(path, "translate")
    overridden = tomllib.loads(text_of(path))["rollout-override"]
    set_override(path, None)

    assert overridden == "translate"
    assert text_of(path) == text


@pytest.mark.parametrize(
    ("override", "left"),
    [
        ('rollout-override = "translate"  # now\n', ""),
        ('rollout_override = { action = "translate" }\n', ""),
        ('rollout-override.action = "translate"\n', ""),
        ('[rollout-override]\naction = "translate"\nmodel = "m"\n', ""),
        ('[rollout_override] # now\n# why\naction = "translate"\nrefuse = [\n]\n', "# why\n"),
    ],
)
def test_an_override_that_a_person_wrote_is_replaced_whole(tmp_path, override: str, left: str):
    path = kept(tmp_path, f"# one\nport = 1\n{override}\n[models]\na = 'b'\n")

    set_override(path, "refuse")
    replaced = text_of(path)
    set_override(path, None)

    rest = f"# one\nport = 1\n{left}\n[models]\na = 'b'\n"
    assert replaced == 'rollout-override = "refuse"\n' + rest
    assert text_of(path) == rest


def test_an_override_that_was_all_there_was_is_replaced_too(tmp_path: Path):
    path = kept(tmp_path, "rollout-override = 'translate'")

    set_override(path, "refuse")
    set_override(path, None)

    assert tomllib.loads(text_of(path)) == {}


@pytest.mark.parametrize("action", ["stop", "forward", 'refuse"\nport = 1 #', "off", ""])
def test_an_override_that_cannot_be_leaves_the_file_as_it_was(tmp_path: Path, action: str):
    path = kept(tmp_path)

    with pytest.raises(InvalidSettings, match=r"line 1: rollout_override\.action: "):
        set_override(path, action)

    assert text_of(path) == FILE


DIGEST = '[[rollout]]\nname = "first"\naction = "refuse"\nmatch.key = "0123456789abcdef"\n'


def test_what_only_seems_wrong_here_and_did_before_hinders_no_change(tmp_path: Path):
    path = kept(tmp_path, DIGEST)  # the digest_key may be in the server's environment

    set_override(path, "refuse")
    set_share(path, "first", 5)

    assert tomllib.loads(text_of(path))["rollout"][0]["share"] == 5


def test_what_a_change_makes_wrong_here_is_refused(tmp_path: Path):
    path = kept(tmp_path, DIGEST)

    with pytest.raises(InvalidSettings) as caught:
        set_override(path, "forward")

    problem = "line 1: rollout_override.action: forward needs the setting legacy_url"
    assert str(caught.value) == f"{path}, {problem}"
    assert text_of(path) == DIGEST


def test_what_is_kept_elsewhere_is_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "HOLDOVER_LEGACY_URL").write_text("http://legacy")
    path = kept(tmp_path, DIGEST)

    set_override(path, "forward", secrets_dir=tmp_path / "secrets")
    monkeypatch.setenv("HOLDOVER_LEGACY_URL", "http://legacy")
    set_override(path, "forward")

    assert text_of(path) == 'rollout-override = "forward"\n' + DIGEST


pieces = st.sampled_from(
    [
        "# a comment\n",
        "\n",
        '[[rollout]]\nname = "a"\nmatch = { model = "a" }\naction = "refuse"\n',
        '[[rollout]]\nname = "b" # it\nshare = 5\naction = "refuse"\n',
        '[[rollout]]\naction = "refuse"\nname = "c"\n[rollout.match]\nmodel = "x"\n',
        '[models]\n"a" = """\n[[rollout]]\nshare = 5\n"""\n',
        "[model-facts.m]\nprefill = true\n",
    ]
)


@settings(max_examples=scaled(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(pieces, max_size=8, unique=True),
    percent=st.integers(0, 100),
    which=st.integers(0, 5),
)
def test_a_change_changes_what_it_says_and_keeps_every_line(tmp_path, parts, percent, which):
    text = "".join(parts)
    path = kept(tmp_path, text)
    tree = tomllib.loads(text)

    for rule in tree.get("rollout", ())[which : which + 1]:
        set_share(path, rule["name"], percent)
        rule["share"] = percent

    assert tomllib.loads(text_of(path)) == tree
    assert [line for line in text_of(path).split("\n") if "share" not in line] == [
        line for line in text.split("\n") if "share" not in line
    ]
