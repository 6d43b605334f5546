"""
The files under some paths: what git ignores, what others have written, and links are left out.

Paths are yielded one by one, so that a tree of any size takes no memory.
"""

from __future__ import annotations

import fnmatch
import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

FOREIGN_FOLDERS: Final = frozenset(
    {"node_modules", "bower_components", "vendor", "vendored", "third_party", "site-packages"}
    | {"dist-packages", ".venv", "venv", ".tox", ".nox", ".eggs", "__pycache__", ".mypy_cache"}
    | {".pytest_cache", ".ruff_cache", ".next", ".nuxt", ".git", ".hg", ".svn"}
)
"""Folders of what somebody else has written, or a program."""


@dataclass(slots=True)
class LeftOut:
    """How many files and folders were left out, by the reason."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str) -> None:
        """Count one."""
        self.counts[reason] += 1


def files_under(paths: Sequence[Path], left_out: LeftOut) -> Iterator[Path]:
    """Yield the files under the paths, each once; a file that is named is always among them."""
    for path in paths:
        if path.is_dir():
            listed = _by_git(path)
            yield from _walk(path, left_out) if listed is None else _kept(listed, left_out)
        else:
            yield path


def _kept(paths: Iterator[Path], left_out: LeftOut) -> Iterator[Path]:
    for path in paths:
        if not FOREIGN_FOLDERS.isdisjoint(path.parts[:-1]):
            left_out.add("in folders of other people's code")
        elif path.is_symlink():
            left_out.add("links")
        elif path.is_file():
            yield path


def _by_git(folder: Path) -> Iterator[Path] | None:
    """Return the files of a repository that git does not ignore, or None if it is none."""
    command = ["git", "-C", str(folder), "rev-parse", "--is-inside-work-tree"]
    try:
        found = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    except OSError:
        return None
    return _listed_by_git(folder) if found.stdout.strip() == b"true" else None


def _listed_by_git(folder: Path) -> Iterator[Path]:
    options = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    command = ["git", "-C", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as git:  # noqa: S603
        assert git.stdout is not None
        rest = b""
        while piece := git.stdout.read(65_536):
            *names, rest = (rest + piece).split(b"\0")
            for name in names:
                yield folder / os.fsdecode(name)


def _walk(folder: Path, left_out: LeftOut) -> Iterator[Path]:
    """Walk a tree that is no repository; a `.gitignore` in it counts for what is below."""
    waiting: list[tuple[Path, tuple[_Ignored, ...]]] = [(folder, ())]
    while waiting:
        current, rules = waiting.pop()
        rules = (*rules, *_rules_of(current))
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError:
            left_out.add("not readable")
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.is_symlink():
                left_out.add("links")
            elif _is_ignored(path, rules, is_folder=entry.is_dir()):
                left_out.add("ignored by .gitignore")
            elif entry.is_dir():
                if entry.name in FOREIGN_FOLDERS:
                    left_out.add("in folders of other people's code")
                else:
                    waiting.append((path, rules))
            elif entry.is_file():
                yield path


@dataclass(frozen=True, slots=True)
class _Ignored:
    """A line of a `.gitignore`."""

    folder: Path
    pattern: str
    is_for_folders: bool
    is_negated: bool
    is_anchored: bool


def _rules_of(folder: Path) -> Iterator[_Ignored]:
    try:
        lines = (folder / ".gitignore").read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        is_negated = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        bare = pattern.rstrip("/")
        yield _Ignored(
            folder,
            bare.removeprefix("/").removeprefix("**/"),
            is_for_folders=pattern.endswith("/"),
            is_negated=is_negated,
            is_anchored="/" in bare.removeprefix("**/"),
        )


def _is_ignored(path: Path, rules: tuple[_Ignored, ...], *, is_folder: bool) -> bool:
    ignored = False
    for rule in rules:
        if rule.is_for_folders and not is_folder:
            continue
        name = path.relative_to(rule.folder).as_posix() if rule.is_anchored else path.name
        if fnmatch.fnmatchcase(name, rule.pattern):
            ignored = not rule.is_negated
    return ignored
