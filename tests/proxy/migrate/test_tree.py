"""Which files of a tree are looked at."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from proxy.migrate.tree import LeftOut, files_under


def make(folder: Path, *names: str, **ignored: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    for place, text in ignored.items():
        (folder / place.replace("top", ".") / ".gitignore").write_text(text)


def found(folder: Path) -> tuple[list[str], dict[str, int]]:
    left_out = LeftOut()
    files = files_under([folder], left_out)
    names = sorted(path.relative_to(folder).as_posix() for path in files)
    return names, dict(left_out.counts)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run(
        [shutil.which("git") or "git", "-C", str(folder), *identity, *arguments], check=True
    )


def test_a_folder_without_git_is_read_with_its_gitignore(tmp_path: Path):
    make(
        tmp_path,
        *("a.py", "b/c.py", "b/secret.py", "b/out/x.py", "logs/y.py", "b/logs/z.py", "keep.log"),
        *("node_modules/d.js", "other.log"),
        top="# words\n\n/logs\n*.log\n!keep.log\nout/\n**/secret.py\n",
    )
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    (tmp_path / "linked").symlink_to("/etc")

    names, left_out = found(tmp_path)

    assert names == [".gitignore", "a.py", "b/c.py", "b/logs/z.py", "keep.log"]
    assert left_out == {
        "links": 2,
        "ignored by .gitignore": 4,
        "in folders of other people's code": 1,
    }


def test_a_repository_is_read_as_git_does(tmp_path: Path):
    make(tmp_path, "a.py", "new.py", "old.log", "vendor/x.py", "gone.py", top="*.log\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    (tmp_path / "gone.py").unlink()
    (tmp_path / "late é.py").write_text("x")
    (tmp_path / "link.py").symlink_to("/etc/passwd")

    names, left_out = found(tmp_path)

    assert names == [".gitignore", "a.py", "late é.py", "new.py"]
    assert left_out == {"in folders of other people's code": 1, "links": 1}


def test_a_file_that_is_named_is_always_read(tmp_path: Path):
    make(tmp_path, "node_modules/x.js")

    path = tmp_path / "node_modules" / "x.js"
    assert list(files_under([path], LeftOut())) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_folders_that_cannot_be_read_are_said(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)

    assert found(tmp_path) == ([], {"not readable": 1})


def test_what_is_neither_file_nor_readable_is_left_out(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.py")
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(20):  # a path that is too long for the system
            Path("x" * 250).mkdir()
            os.chdir("x" * 250)
    finally:
        os.chdir(here)

    assert found(tmp_path) == ([], {"not readable": 1})


def test_without_git_trees_are_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make(tmp_path, "a.py")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert found(tmp_path) == (["a.py"], {})
