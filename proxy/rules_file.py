"""
Changes to a settings file that a person wrote: comments stay, and nobody reads half of it.

The new text is read as settings before it takes the old one's place, in one
step; two who change the file at once take turns.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from proxy.config_file import ConfigFile, InvalidSettings
from proxy.settings import load_settings

_RULES: Final = "rollout"
_OVERRIDE: Final = ("rollout-override", "rollout_override")


def set_share(path: Path, rule: str, percent: float) -> None:
    """Set a rule's share; raises `InvalidSettings` and leaves the file as it is."""

    def edit(document: tomlkit.TOMLDocument) -> None:
        for table in document.get(_RULES, ()):
            if table.get("name") == rule:
                table["share"] = int(percent) if percent == int(percent) else percent
                return
        raise InvalidSettings(f"{path}: there is no rule {rule!r}")

    _edit(path, edit)


def set_override(path: Path, action: str | None) -> None:
    """Send everything one way, or, with None, stop doing so; raises `InvalidSettings`."""

    def edit(document: tomlkit.TOMLDocument) -> None:
        for name in _OVERRIDE:
            document.pop(name, None)
        if action is not None:
            table = tomlkit.table()
            table["action"] = action
            document[_OVERRIDE[0]] = table

    _edit(path, edit)


def _edit(path: Path, edit: Callable[[tomlkit.TOMLDocument], None]) -> None:
    path = path.resolve()  # the file itself is replaced, not a link to it
    with _alone_in(path.parent):
        try:
            document = tomlkit.parse(ConfigFile.read(path).text)
        except TOMLKitError as exc:
            raise InvalidSettings(f"{path}: {exc}") from exc
        edit(document)
        file = ConfigFile(path, tomlkit.dumps(document).rstrip("\n") + "\n")
        load_settings(file)
        _replace(path, file.text)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        shutil.copystat(path, beside)
        stat = path.stat()
        os.utime(beside)
        if (stat.st_uid, stat.st_gid) != (os.geteuid(), os.getegid()):
            shutil.chown(beside, stat.st_uid, stat.st_gid)
        beside.replace(path)
    except OSError as exc:
        beside.unlink(missing_ok=True)
        raise InvalidSettings(f"{path}: {exc.strerror}") from exc
