"""Callers that get a name, and an owner, in a settings file that somebody has written by hand."""

import tomllib
from pathlib import Path

import pytest

from proxy.config.sources import load_settings
from proxy.config.toml_edit import name_caller, set_owner
from proxy.errors import InvalidSettings

DIGEST = "0123456789abcdef"
TOKEN = "sha256:" + "a" * 64
FILE = f"""\
# The house, and its callers
digest_key = "k"  # theirs

[callers.search]
# since spring
  token = "{TOKEN}"  # theirs
weight = 2

[models]
"claude-2" = "claude-haiku-4-5"
# The end
"""


def kept(directory: Path, text: str = FILE) -> Path:
    path = directory / "holdover.toml"
    path.write_bytes(text.encode())
    return path


def text_of(path: Path) -> str:
    return path.read_bytes().decode()


def test_a_digest_gets_a_name_and_nothing_else_changes(tmp_path):
    path = kept(tmp_path)

    name_caller(path, "nightly", DIGEST)

    assert text_of(path) == f'{FILE}\n[callers.nightly]\ndigest = "{DIGEST}"\n'
    assert load_settings(path).callers["nightly"].digest == DIGEST


def test_a_name_that_toml_would_split_is_quoted(tmp_path):
    path = kept(tmp_path)

    name_caller(path, "billing.v2@eu", DIGEST, owner='The "bill" team\\')

    assert text_of(path).startswith(f'{FILE}\n[callers."billing.v2@eu"]\n')
    caller = load_settings(path).callers["billing.v2@eu"]
    assert (caller.digest, caller.owner) == (DIGEST, 'The "bill" team\\')


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (
            'digest_key = "k"',
            f'digest_key = "k"\n\n[callers.nightly]\ndigest = "{DIGEST}"\n',
        ),
        (
            'digest_key = "k"\r\n',
            f'digest_key = "k"\r\n\r\n[callers.nightly]\r\ndigest = "{DIGEST}"\r\n',
        ),
    ],
)
def test_lines_end_as_those_of_the_file_do(tmp_path, text: str, changed: str):
    path = kept(tmp_path, text)

    name_caller(path, "nightly", DIGEST)

    assert text_of(path) == changed


def test_callers_on_one_line_get_another_one_there(tmp_path):
    path = kept(tmp_path, f'digest_key = "k"\ncallers = {{ a = {{ token = "{TOKEN}" }} }} # all\n')

    name_caller(path, "nightly", DIGEST)

    assert set(load_settings(path).callers) == {"a", "nightly"}
    assert text_of(path).count("\n") == 2
    assert text_of(path).endswith("# all\n")


def test_an_empty_file_gets_its_first_caller_unless_no_digest_key_is_set(tmp_path, monkeypatch):
    path = kept(tmp_path, "")

    with pytest.raises(InvalidSettings, match="digest_key"):
        name_caller(path, "nightly", DIGEST)
    assert text_of(path) == ""

    monkeypatch.setenv("HOLDOVER_DIGEST_KEY", "k")
    name_caller(path, "nightly", DIGEST)
    assert text_of(path) == f'[callers.nightly]\ndigest = "{DIGEST}"\n'


@pytest.mark.parametrize(
    ("name", "digest", "said"),
    [
        ("search", DIGEST, "there is a caller 'search' already; choose another name"),
        ("an other", DIGEST, "must have 1 to 64 letters, digits"),
        ("other", "0123", "must be 16 lower-case hexadecimal digits"),
    ],
)
def test_what_is_no_new_caller_changes_nothing(tmp_path, name: str, digest: str, said: str):
    path = kept(tmp_path)

    with pytest.raises(InvalidSettings, match=said):
        name_caller(path, name, digest)
    assert text_of(path) == FILE


def test_one_digest_has_one_name(tmp_path):
    path = kept(tmp_path)
    name_caller(path, "nightly", DIGEST)

    with pytest.raises(InvalidSettings, match=f"{DIGEST} is the digest of 'nightly' already"):
        name_caller(path, "hourly", DIGEST)


def test_settings_whose_callers_are_no_table_are_said_to_be_wrong(tmp_path):
    path = kept(tmp_path, 'digest_key = "k"\ncallers = 5\n')

    with pytest.raises(InvalidSettings, match="there is no caller 'search'"):
        set_owner(path, "search", "Ann")


def test_an_owner_is_written_where_the_caller_is_known_by_its_key(tmp_path):
    path = kept(tmp_path)

    set_owner(path, "search", "Ann")

    line = f'  token = "{TOKEN}"  # theirs\n'
    assert text_of(path) == FILE.replace(line, f'{line}  owner = "Ann"\n')


def test_an_owner_is_replaced_and_the_comment_stays(tmp_path):
    path = kept(tmp_path, FILE.replace("weight = 2", "owner = 'x \"y\"' # since May"))

    set_owner(path, "search", 'Ann "A" \\1')

    assert load_settings(path).callers["search"].owner == 'Ann "A" \\1'
    assert "# since May\n" in text_of(path)


def test_an_owner_is_removed_with_its_line(tmp_path):
    path = kept(tmp_path, FILE.replace("weight = 2", 'weight = 2\nowner = "Ann" # May'))

    set_owner(path, "search", None)
    assert text_of(path) == FILE

    set_owner(path, "search", None)
    assert text_of(path) == FILE


@pytest.mark.parametrize(
    "text",
    [
        f'callers = {{ search = {{ token = "{TOKEN}" }} }}\n',
        f'callers = {{ search = {{ token = "{TOKEN}", owner = "Bea" }} }}\n',
        f'[callers]\nsearch.token = "{TOKEN}"\n',
        f'[callers.search]\ntoken = "{TOKEN}"\nowner = """\nBea"""\n',
        f'[callers.search]\ntoken = "{TOKEN}"\n"owner" = "Bea"\n',
    ],
)
def test_an_owner_is_set_and_removed_however_the_caller_is_written(tmp_path, text: str):
    path = kept(tmp_path, text)

    set_owner(path, "search", "Ann")
    assert load_settings(path).callers["search"].owner == "Ann"

    set_owner(path, "search", None)
    assert tomllib.loads(text_of(path)) == {"callers": {"search": {"token": TOKEN}}}


def test_an_owner_of_nobody_or_of_too_many_letters_is_refused(tmp_path):
    path = kept(tmp_path)

    with pytest.raises(InvalidSettings, match="no caller 'serch'; did you mean `search`"):
        set_owner(path, "serch", "Ann")
    with pytest.raises(InvalidSettings, match="owner: must have 1 to 100 characters on one line"):
        set_owner(path, "search", "A" * 101)
    assert text_of(path) == FILE
