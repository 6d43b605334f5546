"""`holdover migrate`, with real files and git."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.migrate.files import CannotWrite, FileResult, write_result
from tests.command_line import HOLDOVER, run, run_on_terminal
from tests.proxy.migrate.programs_under_test import PROGRAMS, names

pytestmark = pytest.mark.thorough  # each starts processes

ROOT = Path(__file__).parents[3]
_GIT = shutil.which("git") or "git"
KEY = "sk-ant-api03-abcdefghijklmnop"
CALL = """\
import anthropic
c = anthropic.Anthropic()
q = 1


print(
    c.completions.create(
        model="claude-2", max_tokens_to_sample=9, prompt=f"\\n\\nHuman: {q}\\n\\nAssistant:"
    ).completion
)
"""
BY_HAND = "import anthropic\nc = anthropic.Anthropic()\nc.completions.create(prompt=1)\n"


def git(folder: Path, *arguments: str, stdin: bytes | None = None) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    done = subprocess.run(
        [_GIT, "-C", str(folder), *identity, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def diff(*paths: str) -> subprocess.CompletedProcess[bytes]:
    """Return what `--diff` prints, as it is."""
    return subprocess.run(
        [*HOLDOVER, "migrate", "--diff", *paths],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with every program of `programs/`, as it was before."""
    git(tmp_path, "init", "-q")
    for name in names():
        (tmp_path / f"{name}.py").write_text((PROGRAMS / name / "before.py").read_text())
    commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "before", "--allow-empty")


def assert_all_are_rewritten(folder: Path) -> None:
    for name in names():
        written = (folder / f"{name}.py").read_text()
        assert written == (PROGRAMS / name / "after.py").read_text(), name


@pytest.mark.without_coverage
def test_the_diff_is_one_that_git_applies(folder: Path):
    (folder / "sub").mkdir()
    (folder / "sub" / "windows.py").write_bytes(CALL.replace("\n", "\r\n").encode())
    (folder / "latin.py").write_bytes(b"# coding: latin-1\nx = '\xe4'\n" + CALL.encode())
    (folder / "by_hand.py").write_text(BY_HAND)
    (folder / "no_end.py").write_text(CALL.rstrip("\n"))
    commit(folder)

    git(folder, "apply", "-", stdin=diff(".").stdout)

    assert_all_are_rewritten(folder)
    assert b"\r\n" in (folder / "sub" / "windows.py").read_bytes()
    assert diff(".").stdout == b""


@pytest.mark.without_coverage
def test_a_diff_of_files_elsewhere_says_where_git_applies_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (folder / "one").mkdir()
    (folder / "other").mkdir()
    (folder / "other" / "near.py").write_text(CALL)
    commit(folder)
    monkeypatch.chdir(folder / "one")

    done = diff("../other")

    assert f"names in the diff begin in {folder}: apply it there\n" in done.stderr.decode()
    git(folder, "apply", "-", stdin=done.stdout)
    assert "messages.create" in (folder / "other" / "near.py").read_text()


def test_what_is_by_hand_stays_and_is_reported(folder: Path):
    (folder / "by_hand.py").write_text(BY_HAND)
    commit(folder)

    written = run("migrate", "--write", ".")

    assert "by_hand.py:3" in written.stdout
    assert (folder / "by_hand.py").read_text() == BY_HAND


@pytest.mark.without_coverage
def test_files_are_written_and_a_second_run_finds_nothing(folder: Path):
    (folder / "01_fstring.py").chmod(0o751)
    commit(folder)

    written = run("migrate", "--write", ".")
    commit(folder)
    again = run("migrate", "--check", ".")

    assert written.returncode == 0
    assert_all_are_rewritten(folder)
    assert stat.S_IMODE((folder / "01_fstring.py").stat().st_mode) == 0o751
    assert (again.returncode, again.stdout) == (0, "No legacy use was found.\n")


def test_check_fails_while_a_legacy_use_is_left(folder: Path):
    assert run("migrate", "--check", str(folder)).returncode == 1


def test_a_file_with_changes_that_are_not_committed_is_not_written(folder: Path):
    changed = folder / "01_fstring.py"
    changed.write_text(changed.read_text() + "# mine\n")
    (folder / "new.py").write_text(CALL)

    done = run("migrate", "--write", ".")

    assert "01_fstring.py is not written: it has changes that are not committed" in done.stderr
    assert "new.py is not written" in done.stderr
    assert changed.read_text().endswith("# mine\n")
    assert (folder / "new.py").read_text() == CALL


def test_a_file_that_changed_meanwhile_is_not_written(tmp_path: Path):
    path = tmp_path / "a.py"
    path.write_text("new")

    with pytest.raises(CannotWrite, match="changed meanwhile"):
        write_result(FileResult(path, (), b"old", b"rewritten"))

    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.py"]


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path):
    with pytest.raises(CannotWrite, match="No such file"):
        write_result(FileResult(tmp_path / "none" / "a.py", (), b"", b""))


def test_findings_are_shown_with_what_to_write(tmp_path: Path):
    (tmp_path / "a.py").write_text(CALL)
    (tmp_path / "b.py").write_text(BY_HAND)
    (tmp_path / "c.go").write_text('var u = "https://api.anthropic.com/v1/complete"\n')
    (tmp_path / "d.yaml").write_text("model: claude-2.1\n")
    (tmp_path / ".env").write_text(f"KEY={KEY}\n")

    done = run("migrate", str(tmp_path))

    lines = done.stdout.splitlines()
    assert any(
        line.endswith("a.py:7   completions.create of SDK 0.3 and later   rewritten")
        for line in lines
    )
    assert "  claude-2 -> claude-opus-4-8" in lines
    assert any("c.go:1   the path /v1/complete   by hand" in line for line in lines)
    assert any("d.yaml:1   a model that is retired" in line for line in lines)
    assert any(".env:1   a key in the source" in line for line in lines)
    assert "5 legacy uses in 5 files: 1 rewritten, 0 rewritten to be looked at, 4 by hand." in lines
    assert lines[-1] == "Nothing was changed: --diff shows what would be, --write does it."
    assert KEY not in done.stdout


def test_json_has_everything_and_no_key(tmp_path: Path):
    (tmp_path / "a.py").write_text(f'{CALL}x = "{KEY}"\n')

    data = json.loads(run("migrate", "--format", "json", str(tmp_path)).stdout)

    call, key = data["files"][0]["findings"]
    assert (call["line"], call["verdict"], call["models"]) == (
        7,
        "rewritten",
        ["claude-2", "claude-opus-4-8"],
    )
    assert call["adjustments"][0]["kind"] == "replace_retired_model"
    assert key["shape"] == "a key in the source"
    assert KEY not in json.dumps(data)


def test_sarif_and_annotations_say_where(tmp_path: Path):
    path = tmp_path / "b.py"
    path.write_text(BY_HAND)

    sarif = json.loads(run("migrate", "--format", "sarif", str(tmp_path)).stdout)
    annotations = run("migrate", "--format", "github", str(tmp_path)).stdout

    result = sarif["runs"][0]["results"][0]
    assert (result["ruleId"], result["level"]) == ("legacy-call-by-hand", "error")
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 3
    assert annotations.startswith(f"::error file={path.as_posix()},line=3,col=1,title=")
    assert annotations.count("\n") == 1


def test_a_diff_that_would_show_a_key_is_not_printed(folder: Path):
    near, far = folder / "near.py", folder / "far.py"
    near.write_text(CALL.replace("q = 1", f"q = '{KEY}'").replace("\n\n\n", "\n"))
    far.write_text(CALL.replace("q = 1", f"q = '{KEY}'"))
    commit(folder)

    done = diff("near.py", "far.py")

    assert KEY.encode() not in done.stdout
    assert b"a/far.py" in done.stdout
    assert b"near.py is not in the diff, which would show a key" in done.stderr
    git(folder, "apply", "-", stdin=done.stdout)


def test_models_and_settings_are_those_of_the_program(tmp_path: Path):
    (tmp_path / "a.py").write_text(CALL)
    config = tmp_path / "holdover.toml"
    config.write_text('[models]\n"claude-2" = "claude-sonnet-4-6"\n')

    by_option = run("migrate", "--model", "claude-2=claude-opus-4-7", str(tmp_path / "a.py"))
    wrong = run("migrate", "--model", "claude-2", str(tmp_path / "a.py"))

    assert "claude-2 -> claude-opus-4-7" in by_option.stdout
    assert (wrong.returncode, "OLD=NEW" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("file", "module", "package"),
    [("a.py", "libcst", "libcst"), ("a.tsx", "ast_grep_py", "ast-grep-py")],
)
def test_without_a_parser_a_language_is_listed_and_the_package_named(
    file: str, module: str, package: str, tmp_path: Path
):
    (tmp_path / file).write_text(CALL)
    program = f"import sys; sys.modules['{module}'] = None; from proxy.cli import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", program, "migrate", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "by hand" in done.stdout
    assert f"Install {package} " in done.stdout
    assert "pip install 'holdover[migrate]'" in done.stdout


def test_one_mode_at_a_time_and_paths_that_exist(tmp_path: Path):
    both = run("migrate", "--diff", "--write", str(tmp_path))
    nowhere = run("migrate", str(tmp_path / "nowhere"))

    assert (both.returncode, nowhere.returncode) == (2, 2)
    assert "there is no" in nowhere.stderr


def test_what_is_left_out_is_said(tmp_path: Path):
    (tmp_path / "big.py").write_bytes(b"# HUMAN_PROMPT\n" * 400_000)
    (tmp_path / "made.py").write_text("# @generated\nHUMAN_PROMPT\n")
    (tmp_path / "odd.py").write_bytes(b"# coding: nothing\nHUMAN_PROMPT\n")
    (tmp_path / "odd.go").write_bytes(b"// /v1/complete \xff\n")
    (tmp_path / "picture.png").write_bytes(b"/v1/complete")
    (tmp_path / "node_modules").mkdir()

    said = run("migrate", str(tmp_path)).stderr

    assert "big.py was left out: larger than 5 MB" in said
    assert "made.py was left out: generated by a program" in said
    assert "odd.py was left out: not readable in its encoding" in said
    assert "odd.go was left out" in said
    assert "left out: 1 in folders of other people's code" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path):
    (tmp_path / "a.py").write_text("x")
    (tmp_path / "a.py").chmod(0)

    assert "not readable" in run("migrate", str(tmp_path)).stderr


def test_a_file_is_examined_once(tmp_path: Path):
    (tmp_path / "a.py").write_text(CALL)

    assert "1 legacy use in 1 file" in run("migrate", str(tmp_path), str(tmp_path / "a.py")).stdout


@pytest.mark.thorough
def test_a_terminal_shows_progress_and_a_diff_in_lines(tmp_path: Path):
    for number in range(450):
        (tmp_path / f"{number}.py").write_text("x = 1\n")
    (tmp_path / "a.py").write_text(CALL)

    out, screen = run_on_terminal("migrate", "--diff", str(tmp_path))

    assert b"+++ b/" in out
    assert "files" in screen
