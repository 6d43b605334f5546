"""
The settings file of the demo: written at each start, so that its rules can be changed meanwhile.

What the demo cannot do without is fixed, whatever the file and the environment say; the rules,
their kill switch and the names of callers come from the file alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proxy.config.history import history_of
from proxy.config.reload import ConfigSource
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
from proxy.config.toml_source import TomlSource
from proxy.errors import InvalidSettings
from proxy.private_files import make_directory, replace_file

FILE_NAME: Final = "holdover.toml"
"""Name of the file in the directory of the demo."""
_RULES: Final = ("rollout", "rollout_override", "callers")
_HEAD: Final = """\
# Written by `holdover demo` at each start. A demo that runs follows what you change here, or with
# `holdover rollout ... --config` and this file, within two seconds.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """The settings file of a demo, and what it says whatever is written there."""

    path: Path
    fixed: Mapping[str, Any]

    def write(self, rules: Mapping[str, Any]) -> ConfigSource:
        """Write the file anew; return it as what the proxy follows. Raises `InvalidSettings`."""
        text = f"{_HEAD}{as_toml({**self.fixed, **rules})}"
        try:
            make_directory(self.path.parent)
            replace_file(self.path, text.encode())
        except OSError as exc:
            raise InvalidSettings(
                f"state_dir: {self.path} cannot be written: {exc.strerror}"
            ) from exc
        return ConfigSource(
            file=TomlSource.read(self.path),
            load=self.load,
            history=history_of(self.path.parent, self.path),
        )

    def load(self, file: TomlSource | None) -> Settings:
        """Read the settings; the demo keeps its records apart, whatever the environment says."""
        tree = file.tree() if file else {}
        rules: dict[str, Any] = {name: tree[name] for name in _RULES if name in tree}
        try:
            settings = load_settings(file, **self.fixed, **rules)
        except InvalidSettings:
            load_settings(file, **self.fixed)  # says the same, and in which line
            raise
        return settings.model_copy(update={"traffic_url": None})


def as_toml(settings: Mapping[str, Any]) -> str:
    """Write settings: tables of tables with headings, what is in them on one line each."""
    return "\n".join(_lines(settings)) + "\n"


def _lines(settings: Mapping[str, Any]) -> Iterator[str]:
    tables: dict[str, list[Mapping[str, Any]]] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            tables |= {f"[{name}.{_quoted(key)}]": [table] for key, table in value.items()}
        elif isinstance(value, list):
            tables[f"[[{name}]]"] = value
        else:
            yield f"{name} = {_value(value)}"
    for heading, entries in tables.items():
        for entry in entries:
            yield from ("", heading, *(f"{key} = {_value(each)}" for key, each in entry.items()))


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(each)}' for key, each in value.items())} }}"
    if isinstance(value, bool | int):
        return json.dumps(value)
    return _quoted(str(value))


def _quoted(text: str) -> str:
    # A string of JSON is one of TOML, but for the character DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
