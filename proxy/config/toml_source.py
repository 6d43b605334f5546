"""
A settings file, and the line of each value, which TOML parsers do not report.

Names of settings may be written with `-` or `_`.
"""

from __future__ import annotations

import hashlib
import re
import stat
import tomllib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from proxy.errors import InvalidSettings

Place: TypeAlias = tuple[str | int, ...]
"""Path of a value: keys and list indexes from the top, such as `("rollout", 1, "share")`."""

_NAMES_OF_THE_OPERATOR: Final = frozenset(
    {"models", "model_facts", "callers", "header", "prices", "upstream_headers"}
)
"""Tables whose keys the operator chooses, in which `-` stays `-`."""


_EMPTY: Final[Mapping[str, object]] = {}
_RULE: Final = re.compile(r"[\w.-]{1,64}")
"""Names of rules as they may be, and some that are not; no others are repeated."""
_PART: Final = r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^]="'])"""
_NAME: Final = re.compile(rf"\s*(?:\[\[?\s*(?P<table>{_PART}+?)\s*\]|(?P<key>{_PART}+?)\s*=)")
"""The name with which a TOML statement begins: a table in brackets, or the key before `=`."""
_OF_WHAT_IS_REPEATED: Final = ("Cannot ", "`")
"""How errors of `tomllib` and of ours begin that are about what is given twice."""
_SAID: Final = re.compile(
    r"(?P<problem>.+) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL
)
"""An error of `tomllib`, which has its place at its end."""
_REPEATED_INLINE: Final = re.compile(
    r"Duplicate inline table key '(?P<name>[^']*)' \(at line (?P<line>\d+)"
)


@dataclass(frozen=True, slots=True)
class TomlSource:
    """The text of a settings file when it was read."""

    path: Path
    text: str = field(default="", repr=False)
    """Text of the file; hidden from `repr`, since it may hold keys."""

    @classmethod
    def read(cls, path: Path) -> TomlSource:
        """Read the file; raise `InvalidSettings` if it is missing or unreadable."""
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would block
                raise InvalidSettings(f"{path}: is not a file")
            return cls(path, path.read_bytes().decode())  # keeps CRLF
        except FileNotFoundError as exc:
            raise InvalidSettings(f"{path}: no such file") from exc
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "is not UTF-8"
            raise InvalidSettings(f"{path}: {reason}") from exc

    def tree(self) -> dict[str, object]:
        """Parse the file, with `-` in names of settings replaced by `_`."""
        try:
            return _spelled(tomllib.loads(self.text))
        except ValueError as exc:  # includes TOMLDecodeError
            raise InvalidSettings(f"{self.path}{_problem(str(exc), self.text)}") from exc
        except RecursionError as exc:
            raise InvalidSettings(f"{self.path}: is nested too deeply") from exc

    def describe_error(self, place: Place, sentence: str, *, written_at: Place = ()) -> str:
        """Put the place, and its line if it is in this file, before a sentence."""
        first_word = sentence.partition(":")[0]
        at = written_at or (*place, first_word)
        line = nearest_line(at, self.text) if self.text else None
        where = f"{self.path}, line {line}: " if line else ""
        tree = self.tree() if self.text else {}
        return f"{where}{at_place(place, sentence, tree)}"


def version_of(file: TomlSource) -> str:
    """Return the digest of the file's text, which stands for a version of the settings."""
    return hashlib.blake2b(file.text.encode(), digest_size=6).hexdigest()


def signature_of(path: Path) -> object:
    """Return a value that changes with the file; a missing file has one, too."""
    try:
        stat = path.stat()
    except OSError as exc:
        return exc.errno
    return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_mode


def _spelled(tree: Mapping[str, object], *, is_theirs: bool = False) -> dict[str, object]:
    spelled: dict[str, object] = {}
    for key, value in tree.items():
        name = key if is_theirs else key.replace("-", "_")
        if name in spelled:
            raise ValueError(f"`{name}` is given twice")
        spelled[name] = _spelled_value(
            value, is_theirs=not is_theirs and name in _NAMES_OF_THE_OPERATOR
        )
    return spelled


def _spelled_value(value: object, *, is_theirs: bool) -> object:
    if isinstance(value, dict):
        return _spelled(value, is_theirs=is_theirs)
    if isinstance(value, list):
        return [_spelled_value(item, is_theirs=is_theirs) for item in value]
    return value


def at_place(place: Place, sentence: str, tree: Mapping[str, object] = _EMPTY) -> str:
    """Put the place before a sentence about it; of a rule of the tree, the name."""
    match place:
        case ("rollout", int(number), *rest) if name := _name_of_rule(tree, number, rest):
            return at_place((f'rule "{name}"',), at_place(tuple(rest), sentence))
        case ():
            return sentence
        case _:
            return f"{'.'.join(map(str, place))}: {sentence}"


def _name_of_rule(tree: Mapping[str, object], number: int, rest: Sequence[str | int]) -> str | None:
    """Return the name by which people know a rule; None if it has none, or not alone."""
    rules = tree.get("rollout")
    tables = rules if isinstance(rules, list) else []
    names = [each.get("name") if isinstance(each, dict) else None for each in tables]
    name = names[number] if number < len(names) else None
    is_known = isinstance(name, str) and _RULE.fullmatch(name) and names.count(name) == 1
    return name if is_known and rest != ["name"] else None


def line_of(place: Place, text: str) -> int | None:
    """Return the first line (from 1) of a value's statement; None if the value is missing."""
    lines = lines_of(place, text)
    return None if lines is None else lines.start + 1


def lines_of(place: Place, text: str) -> range | None:
    """
    Return the lines (from 0) of the statement in which a value first appears.

    A value that has appeared stays, so bisection finds it: a file of a thousand
    callers is parsed a dozen times, not once for each line.
    """
    lines = text.split("\n")
    ends = _ends_of_statements(lines)
    found = bisect_left(
        ends, 1, key=lambda end: _contains(_spelled(tomllib.loads(_joined(lines[:end]))), place)
    )
    return None if found == len(ends) else range(([0, *ends])[found], ends[found])


def _ends_of_statements(lines: Sequence[str]) -> list[int]:
    """Return after how many lines each statement ends, up to one that is not valid."""
    begin, ends = 0, list[int]()
    for end in range(1, len(lines) + 1):
        with suppress(ValueError, RecursionError):  # in the middle of a statement
            tomllib.loads(_joined(lines[begin:end]))
            ends.append(end)
            begin = end
    return ends


def _problem(found: str, text: str) -> str:
    """Return what to write behind the name of a file in which this was found."""
    if inline := _REPEATED_INLINE.match(found):
        return f", line {inline['line']}: `{inline['name']}` is given twice"
    if not found.startswith(_OF_WHAT_IS_REPEATED):
        return _at_its_line(found)
    lines = text.split("\n")
    ends = _ends_of_statements(lines)
    repeated = bisect_left(ends, 1, key=lambda end: _is_refused(lines[:end]))
    if repeated == len(ends):  # no statement: `tomllib` says where, as in `{a = 1, a.b = 2}`
        return f": {found}"
    start, end = ([0, *ends])[repeated], ends[repeated]
    if _is_refused(lines[start:end]):  # by itself: both are in one statement
        return f", line {start + 1}: {found}"
    name = _NAME.match(lines[start])
    assert name is not None, "a statement that is valid by itself begins with a name"
    return f", line {start + 1}: `{name['table'] or name['key']}` is given twice"


def _at_its_line(found: str) -> str:
    """Return what `tomllib` says, with the line before it as in every other error."""
    if (said := _SAID.fullmatch(found)) is None:
        return f": {found}"
    problem = said["problem"]
    return f", line {said['line']}, column {said['column']}: {problem[0].lower()}{problem[1:]}"


def _is_refused(lines: Sequence[str]) -> bool:
    try:
        _spelled(tomllib.loads(_joined(lines)))
    except ValueError:
        return True
    return False


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def nearest_line(place: Place, text: str) -> int | None:
    """Return the line of a value or, if it is missing, of the nearest table around it."""
    for length in range(len(place), 0, -1):
        if (line := line_of(place[:length], text)) is not None:
            return line
    return None


def _contains(tree: object, place: Place) -> bool:
    for step in place:
        match tree, step:
            case dict(), str() if step in tree:
                tree = tree[step]
            case list(), int() if step < len(tree):
                tree = tree[step]
            case _:
                return False
    return True
