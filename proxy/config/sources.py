"""
Read the settings from flags, `HOLDOVER_*` variables, a secrets directory and a TOML file.

The first of these that gives a setting wins. Errors name the place where the wrong setting is
written; in the file, its line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic_settings import SettingsError

from proxy.config.setting_errors import Problem, describe_problem
from proxy.config.settings import ENV_PREFIX, WRITTEN, Settings
from proxy.config.toml_source import TomlSource, at_place, line_of
from proxy.errors import InvalidSettings
from proxy.rollout import validate_rules
from proxy.spelling import or_rather

# Kubernetes sets HOLDOVER_SERVICE_HOST and the like if a service is called `holdover`.
_KUBERNETES_VARIABLE: Final = re.compile(r"service_(?:host|port)|port_\d")
_NOT_SETTINGS: Final = frozenset({"config", "secrets"})


def load_settings(
    config: Path | TomlSource | None = None, *, secrets: Path | None = None, **flags: object
) -> Settings:
    """Read all sources, ignoring flags that are None; raise `InvalidSettings` on any error."""
    file = TomlSource.read(config) if isinstance(config, Path) else config
    _refuse_misspelt(os.environ, "environment")
    if secrets is not None:
        _refuse_unreadable(secrets)
    given = {name: value for name, value in flags.items() if value is not None}
    sources = _Sources(file=file or TomlSource(Path()), flags=frozenset(given), secrets=secrets)
    before = WRITTEN.set(file.tree() if file else {})
    try:
        settings = Settings(**{"_secrets_dir": secrets, **given})  # type: ignore[arg-type] # checked here
    except ValidationError as exc:
        problems = (describe_problem(error, Settings) for error in exc.errors())
        raise InvalidSettings(*map(sources.describe, problems)) from exc
    except SettingsError as exc:
        # A list or table in the environment or among the secrets, which pydantic names.
        named = re.search(r'field "(\w+)"', str(exc))
        place = (named[1],) if named else ()
        problem = Problem(place=place, sentence="must be JSON, outside of the file")
        raise InvalidSettings(sources.describe(problem)) from exc
    except ValueError as exc:
        raise InvalidSettings(f"{file.path if file else 'environment'}: {exc}") from exc
    finally:
        WRITTEN.reset(before)
    contradictions = validate_rules(
        settings.rollout,
        settings.rollout_override,
        has_legacy_url=settings.legacy_url is not None,
        callers={name: caller.digest for name, caller in settings.callers.items()},
        keeps_digests=settings.digest_key is not None,
    )
    if problems_of_rules := [Problem(place=at, sentence=said) for at, said in contradictions]:
        raise InvalidSettings(*map(sources.describe, problems_of_rules))
    return settings


def written_settings(config: Path | None, secrets: Path | None) -> dict[str, str]:
    """Return where each setting is written that is, by its name; the others have defaults."""
    file = TomlSource.read(config) if config is not None else TomlSource(Path())
    sources = _Sources(file=file, flags=frozenset(), secrets=secrets)
    found = {name: sources.place_of(name) for name in Settings.model_fields}
    return {name: place for name, place in found.items() if place is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """Where settings come from, to tell where a wrong one is written."""

    file: TomlSource
    flags: frozenset[str]
    secrets: Path | None

    def describe(self, problem: Problem) -> str:
        """Return a line that says where something is wrong, and what."""
        name = str(problem.where[0]) if problem.where else problem.sentence.partition(":")[0]
        if name in self.flags:
            return at_place(problem.place, problem.sentence)
        if (where := self._outside_of_the_file(name)) is not None:
            return f"{where}: {at_place(problem.place, problem.sentence)}"
        return self.file.describe_error(
            problem.place, problem.sentence, written_at=problem.written_at
        )

    def place_of(self, name: str) -> str | None:
        """Return the strongest source in which a setting is written; None if it is in none."""
        if (where := self._outside_of_the_file(name)) is not None:
            return where
        line = line_of((name,), self.file.text)
        return f"{self.file.path}, line {line}" if line is not None else None

    def _outside_of_the_file(self, name: str) -> str | None:
        if (variable := _variable(name, os.environ)) is not None:
            return f"environment, {variable}"
        if self.secrets and (secret := _variable(name, os.listdir(self.secrets))) is not None:
            return f"secrets, {secret}"
        return None


def _variable(setting: str, names: Iterable[str]) -> str | None:
    """Return the name among these that gives a setting, in whatever case."""
    wanted = (ENV_PREFIX + setting).upper()
    return next((name for name in names if name.upper() == wanted), None)


def _refuse_unreadable(secrets: Path) -> None:
    """Raise an error for an unreadable secret, which would otherwise count as missing."""
    try:
        if not secrets.is_dir():
            raise InvalidSettings(f"{secrets}: no such directory")
        files = list(secrets.iterdir())
    except OSError as exc:
        raise InvalidSettings(f"{secrets}: {exc.strerror}") from exc
    _refuse_misspelt((file.name for file in files), str(secrets))
    for file in files:
        if file.name.upper().startswith(ENV_PREFIX):
            TomlSource.read(file)


def _refuse_misspelt(names: Iterable[str], where: str) -> None:
    """Raise an error for an unknown `HOLDOVER_` name, which would otherwise be ignored."""
    known_names = [ENV_PREFIX + known.upper() for known in Settings.model_fields]
    for name in names:
        setting = name.upper().removeprefix(ENV_PREFIX).lower()
        known = setting in Settings.model_fields or setting in _NOT_SETTINGS
        if (
            name.upper().startswith(ENV_PREFIX)
            and not known
            and not _KUBERNETES_VARIABLE.match(setting)
        ):
            nearest = or_rather(name.upper(), known_names)
            raise InvalidSettings(f"{where}: unknown setting `{name}`{nearest}")
