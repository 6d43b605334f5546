"""
A settings file: what it says, and on which line; TOML's own readers do not say that.

`legacy-url` is `legacy_url`: people write both.
"""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

Place: TypeAlias = tuple[str | int, ...]
"""Keys and places in lists, from the top: `("rollout", 1, "share")`."""

_NAMES_OF_THE_OPERATOR: Final = frozenset({"models", "model_facts", "callers", "header"})
"""What holds names of theirs, in which a hyphen is a hyphen."""


class InvalidSettings(Exception):
    """The settings cannot be used; the text names the setting and what it should be."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A settings file as it was at one moment."""

    path: Path
    text: str = ""

    @classmethod
    def read(cls, path: Path) -> ConfigFile:
        """Read it; raise `InvalidSettings` where there is nothing to read."""
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would take for ever
                raise InvalidSettings(f"{path}: is not a file")
            return cls(path, path.read_text(encoding="utf-8"))
        except FileNotFoundError as exc:
            raise InvalidSettings(f"{path}: no such file") from exc
        except (OSError, UnicodeDecodeError) as exc:
            reason = getattr(exc, "strerror", None) or "is not UTF-8"
            raise InvalidSettings(f"{path}: {reason}") from exc

    def tree(self) -> dict[str, object]:
        """What is written there, with `-` and `_` in names of settings the same."""
        try:
            return _spelled(tomllib.loads(self.text))
        except ValueError as exc:  # that of TOML is one
            raise InvalidSettings(f"{self.path}: {exc}") from exc
        except RecursionError as exc:
            raise InvalidSettings(f"{self.path}: is nested too deeply") from exc

    def says(self, place: tuple[str | int, ...], sentence: str) -> str:
        """A sentence about a place, with its line if it is in here."""
        sentence = sentence.removeprefix("Value error, ")
        first_word = sentence.partition(":")[0]
        line = nearest_line((*place, first_word), self.text) if self.text else None
        where = f"{self.path}, line {line}: " if line else ""
        return f"{where}{'.'.join(map(str, place)) or 'settings'}: {sentence}"


def _spelled(tree: Mapping[str, object], *, is_theirs: bool = False) -> dict[str, object]:
    spelled: dict[str, object] = {}
    for key, value in tree.items():
        name = key if is_theirs else key.replace("-", "_")
        if name in spelled:
            raise ValueError(f"{name} is given twice")
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


def line_of(place: Place, text: str) -> int | None:
    """
    The line, counted from 1, on which a value's statement begins; None if it is not in the text.

    A value is on the line with which it first appears when the text is read
    from the top, statement by statement. That is quadratic, and only done for
    a mistake.
    """
    lines = text.split("\n")
    complete = 0
    for end in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:end]) + "\n")
        except tomllib.TOMLDecodeError:  # in the middle of a statement
            continue
        if _holds(tree, place):
            return complete + 1
        complete = end
    return None


def nearest_line(place: Place, text: str) -> int | None:
    """The line of a value, or of what it would be part of if it were not missing."""
    for length in range(len(place), 0, -1):
        if (line := line_of(place[:length], text)) is not None:
            return line
    return None


def _holds(tree: object, place: Place) -> bool:
    for step in place:
        if isinstance(step, int):
            if not isinstance(tree, list) or not step < len(tree):
                return False
            tree = tree[step]
        else:
            if not isinstance(tree, Mapping):
                return False
            found = next((key for key in tree if _is_same(key, step)), None)
            if found is None:
                return False
            tree = tree[found]
    return True


def _is_same(one: str, other: str) -> bool:
    return one.replace("-", "_") == other.replace("-", "_")
