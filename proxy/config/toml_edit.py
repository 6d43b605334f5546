"""
Edit a settings file without changing any other line, and replace it atomically.

TOML writers keep the values of a file but move comments and tables. So this
module edits single lines, and uses a TOML writer only if a line cannot be
edited. The new text is validated as settings before it replaces the old file;
a lock lets concurrent edits take turns.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias, TypedDict, Unpack

import tomlkit

from proxy.config.sources import load_settings
from proxy.config.toml_source import Place, TomlSource, lines_of, version_of
from proxy.errors import InvalidSettings
from proxy.private_files import replace_file
from proxy.spelling import or_rather

Note: TypeAlias = Callable[[TomlSource, TomlSource], None]
"""Told of the file before and after an edit, while nobody else can edit it."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "legacy_url": "http://elsewhere",
    "digest_key": "elsewhere",
}
"""Settings that the server's own environment may have, and the one of a command not."""

_RULES: Final = "rollout"
_OVERRIDE: Final = "rollout_override"
_CALLERS: Final = "callers"
_SHARE: Final = re.compile(r"(\s*share\s*=\s*)[^\s#,]+")
_LINE: Final = re.compile(r", line \d+")
_NAME: Final = re.compile(r"(\s*)name\s*=")
_OWNER: Final = re.compile(
    r"""(\s*owner\s*=\s*)(?!\"{3}|'{3})(?:"(?:\\.|[^"\\])*"|'[^']*')(?=\s*(?:\#|$))"""
)
_KNOWN_BY: Final = re.compile(r"(\s*)(?:digest|token)\s*=")


class ChangedMeanwhile(InvalidSettings):
    """The file is not the version that an edit was meant for, and was not edited."""

    def __init__(self, file: TomlSource) -> None:
        super().__init__(f"{file.path}: has been changed meanwhile")


class EditOptions(TypedDict, total=False):
    """Options that all edits take."""

    secrets_dir: Path | None
    expected: str | None
    """Version that the file must have; None takes any."""
    note: Note | None


def set_share(path: Path, rule: str, percent: float, **options: Unpack[EditOptions]) -> None:
    """
    Set a rule's share in percent; on `InvalidSettings` the file is unchanged.

    If the file is not the version `expected`, that is `ChangedMeanwhile`.
    """
    _edit(path, _sharing(rule, percent), **options)


def try_share(path: Path, rule: str, percent: float, *, secrets_dir: Path | None = None) -> None:
    """Find out whether a share could be set; raises the `InvalidSettings` that would come."""
    path = Path(os.path.realpath(path))
    _edited(TomlSource.read(path), _sharing(rule, percent), secrets_dir)


def _sharing(rule: str, percent: float) -> Callable[[TomlSource], str]:
    """Return the edit that sets a share."""
    value = float(percent)
    share = str(int(value) if value.is_integer() else value)

    def edit(file: TomlSource) -> str:
        rules = file.tree().get(_RULES)
        tables = rules if isinstance(rules, list) else []
        names = [table.get("name") if isinstance(table, dict) else None for table in tables]
        if rule not in names:
            known = [name for name in names if isinstance(name, str)]
            raise InvalidSettings(f"{file.path}: there is no rule {rule!r}{or_rather(rule, known)}")
        place = (_RULES, names.index(rule))
        lines = file.text.split("\n")
        statement = lines_of((*place, "share"), file.text)
        if statement is not None and _SHARE.match(lines[statement.start]):
            lines[statement.start] = _SHARE.sub(rf"\g<1>{share}", lines[statement.start], count=1)
            return "\n".join(lines)
        named = lines_of((*place, "name"), file.text)
        if statement is None and named is not None and (name := _NAME.match(lines[named.start])):
            lines.insert(named.stop, f"{name[1]}share = {share}{_end_of(lines[named.stop - 1])}")
            return "\n".join(lines)
        # The rule shares its line: `rollout = [{ name = "a", ... }]`.
        table, number = place
        document = tomlkit.parse(file.text)
        document[table][number]["share"] = tomlkit.value(share)
        return tomlkit.dumps(document)

    return edit


def set_override(path: Path, action: str | None, **options: Unpack[EditOptions]) -> None:
    """Set the override, or remove it with None; else as `set_share`."""

    def edit(file: TomlSource) -> str:
        places = _places((_OVERRIDE,), file.tree().get(_OVERRIDE))
        dropped = {line for place in places for line in lines_of(place, file.text) or ()}
        lines = enumerate(file.text.split("\n"))
        kept = [line for number, line in lines if number not in dropped] or [""]
        if action is None:
            return "\n".join(kept)
        # The first line is before all tables, and easy to see.
        override = f"rollout-override = {tomlkit.item(action).as_string()}{_end_of(kept[0])}"
        return "\n".join([override, *kept])

    _edit(path, edit, **options)


@contextmanager
def unchanged(path: Path, expected: str | None) -> Iterator[TomlSource]:
    """Keep others from editing a file while the block runs; raises `ChangedMeanwhile` first."""
    path = Path(os.path.realpath(path))  # the file itself is replaced, not a link to it
    with _alone_in(path.parent):
        file = TomlSource.read(path)
        if expected is not None and version_of(file) != expected:
            raise ChangedMeanwhile(file)
        yield file


def name_caller(
    path: Path,
    name: str,
    digest: str,
    *,
    owner: str | None = None,
    **options: Unpack[EditOptions],
) -> None:
    """Give a name to a digest with `[callers.NAME]`; else as `set_share`."""
    fields = {"digest": digest} | ({"owner": owner} if owner else {})

    def edit(file: TomlSource) -> str:
        for known, caller in _callers_in(file).items():
            if known == name:
                raise InvalidSettings(
                    f"{file.path}: there is a caller {name!r} already; choose another name"
                )
            if isinstance(caller, dict) and caller.get("digest") == digest:
                raise InvalidSettings(f"{file.path}: {digest} is the digest of {known!r} already")
        end = "\r\n" if "\r\n" in file.text else "\n"
        table = [
            f"[{_CALLERS}.{tomlkit.key(name).as_string()}]",
            *(f"{field} = {tomlkit.item(value).as_string()}" for field, value in fields.items()),
        ]
        before = file.text.rstrip("\r\n")
        kept = file.text if file.text.endswith("\n") or not before else file.text + end
        text = kept + (end if before else "") + "".join(line + end for line in table)
        try:
            TomlSource(file.path, text).tree()
        except InvalidSettings:  # `callers = { ... }` takes no tables from elsewhere
            document = tomlkit.parse(file.text)
            document[_CALLERS][name] = fields
            return tomlkit.dumps(document)
        return text

    _edit(path, edit, **options)


def set_owner(path: Path, caller: str, owner: str | None, **options: Unpack[EditOptions]) -> None:
    """Set a caller's owner, or remove it with None; else as `set_share`."""

    def edit(file: TomlSource) -> str:
        callers = _callers_in(file)
        if caller not in callers:
            raise InvalidSettings(
                f"{file.path}: there is no caller {caller!r}{or_rather(caller, callers)}"
            )
        place = (_CALLERS, caller)
        lines = file.text.split("\n")
        statement = lines_of((*place, "owner"), file.text)
        if statement is None and owner is None:
            return file.text
        if statement is not None and (found := _OWNER.match(lines[statement.start])):
            rest = lines[statement.start][found.end() :]
            lines[statement.start : statement.stop] = (
                [] if owner is None else [f"{found[1]}{tomlkit.item(owner).as_string()}{rest}"]
            )
            return "\n".join(lines)
        known = lines_of((*place, "digest"), file.text) or lines_of((*place, "token"), file.text)
        if statement is None and known and (first := _KNOWN_BY.match(lines[known.start])):
            end = _end_of(lines[known.stop - 1])
            lines.insert(known.stop, f"{first[1]}owner = {tomlkit.item(owner).as_string()}{end}")
            return "\n".join(lines)
        # The caller shares its line: `callers = { a = { ... } }`.
        document = tomlkit.parse(file.text)
        table = document[_CALLERS][caller]
        if owner is None:
            del table["owner"]
        else:
            table["owner"] = owner
        return tomlkit.dumps(document)

    _edit(path, edit, **options)


def _callers_in(file: TomlSource) -> dict[str, object]:
    callers = file.tree().get(_CALLERS)
    return callers if isinstance(callers, dict) else {}


def _places(place: Place, value: object) -> Iterator[Place]:
    """Yield the places of a value and of all values in it."""
    if value is not None:
        yield place
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield from _places((*place, name), inner)


def _end_of(line: str) -> str:
    return "\r" if line.endswith("\r") else ""


def _edit(
    path: Path,
    edit: Callable[[TomlSource], str],
    *,
    secrets_dir: Path | None = None,
    expected: str | None = None,
    note: Note | None = None,
) -> None:
    with unchanged(path, expected) as before:
        file = _edited(before, edit, secrets_dir)
        try:
            # The file may hold keys: it is created private, and gets the old mode only later.
            replace_file(
                file.path, file.text.encode(), lambda beside: _make_alike(beside, file.path)
            )
        except OSError as exc:
            raise InvalidSettings(f"{file.path}: {exc.strerror}") from exc
        if note is not None:
            note(before, file)


def _edited(
    before: TomlSource, edit: Callable[[TomlSource], str], secrets_dir: Path | None
) -> TomlSource:
    """Return the file as it will be; raises `InvalidSettings` if that would be wrong."""
    file = TomlSource(before.path, edit(before))
    # Problems count if the edit caused them, or if no environment of the server can solve them.
    if problems := _problems(file, secrets_dir):
        known = _problems(before, secrets_dir)
        # The server's own environment may set these, so their absence is uncertain.
        certain = _problems(file, secrets_dir, **ELSEWHERE)
        if said := [
            said for what, said in problems.items() if what in certain or what not in known
        ]:
            raise InvalidSettings(*said)
    return file


def _problems(file: TomlSource, secrets_dir: Path | None, **flags: str) -> dict[str, str]:
    """Return the problems with a file, keyed by their text without the line number."""
    try:
        load_settings(file, secrets=secrets_dir, **flags)
    except InvalidSettings as exc:
        return {_LINE.sub("", said, count=1): said for said in str(exc).split("\n")}
    return {}


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError as exc:
        raise InvalidSettings(f"{directory}: {exc.strerror}") from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make_alike(beside: Path, path: Path) -> None:
    """Flush the new file to disk, and copy mode and owner from the old one."""
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    shutil.copystat(path, beside)
    stat = path.stat()
    os.utime(beside)
    if (stat.st_uid, stat.st_gid) != (os.geteuid(), os.getegid()):
        shutil.chown(beside, stat.st_uid, stat.st_gid)
