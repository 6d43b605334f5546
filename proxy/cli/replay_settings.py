"""By which settings a replay asks, and what it is called if nobody names it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from proxy.cli.load_config import key_of_environment
from proxy.config.settings import Settings, load_settings
from proxy.config.toml_source import TomlSource
from proxy.rollout.rule_schema import OverrideSettings
from proxy.security.keyring import origin_of

_OVERRIDE: Final = "rollout_override"
_DECIDING: Final = frozenset(
    {
        *("rollout", _OVERRIDE, "legacy_url", "upstream_url", "models", "model_facts"),
        *("strictness", "prefill", "prefill_model", "leading_space", "beta_header"),
        *("refusal", "refuse"),
    }
)
"""What an answer depends on."""
_KEYS: Final = {"upstream_url": "upstream_key", "legacy_url": "legacy_key"}
"""By the setting that says to whom they belong."""
_EVERY_KEY: Final = SecretStr("sk-ant-api03-replay")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


def with_rules(settings: Settings, rules: Path, secrets: Path | None) -> Settings:
    """
    What a file of rules says, and the rest as it is; raises `InvalidSettings`.

    A kill switch that is thrown at the moment says nothing about the file. Keys
    stay behind where the file names another upstream than they were given for.
    """
    file = TomlSource.read(rules)
    written = file.tree().keys()
    rest = settings.model_fields_set - written - {_OVERRIDE}
    given = {name: getattr(settings, name) for name in rest}
    new = load_settings(file, secrets=secrets, **given)
    for url, key in _KEYS.items():
        if _origin(settings, url) != _origin(new, url):
            new = _without(new, key, given.keys())
    return new


def _origin(settings: Settings, url: str) -> object:
    written = getattr(settings, url)
    return written and origin_of(written)


def _without(settings: Settings, key: str, given: Container[str]) -> Settings:
    """Without the keys of this kind that were given elsewhere."""
    changes: dict[str, object] = {key: None} if key in given else {}
    if "callers" in given:
        changes["callers"] = {
            name: caller.model_copy(update={key: None}) for name, caller in settings.callers.items()
        }
    return settings.model_copy(update=changes)


def with_key_of_environment(settings: Settings) -> Settings:
    """With that key for the Messages API, where there is none; raises `InvalidSettings`."""
    if settings.upstream_key is not None or (key := key_of_environment()) is None:
        return settings
    return settings.model_copy(update={"upstream_key": SecretStr(key)})


def with_stand_in(settings: Settings, url: str) -> Settings:
    """With somebody else in the place of the Messages API, and no key for it."""
    elsewhere = settings.model_copy(update={"upstream_url": url})
    return _without(elsewhere, "upstream_key", Settings.model_fields)


def of_simulators(settings: Settings) -> Settings:
    """With a key that every simulator takes, and no real one: those are not sent in vain."""
    keys: dict[str, object] = dict.fromkeys(_KEYS.values(), _EVERY_KEY)
    return settings.model_copy(update=keys | {"callers": {}})


def with_model(settings: Settings, model: str) -> Settings:
    """Everything translated, for this model."""
    override = OverrideSettings(action="translate", model=model)
    return settings.model_copy(update={_OVERRIDE: override})


def addresses(settings: Settings) -> Iterator[str]:
    """Who may be asked by these rules."""
    yield settings.upstream_url
    override = settings.rollout_override
    legs = settings.rollout if override is None else (override,)
    if settings.legacy_url is not None and any(leg.action == "forward" for leg in legs):
        yield settings.legacy_url


def default_name(label: str, settings: Settings, words: tuple[str | None, ...]) -> str:
    """The same for the same question: whatever decides about an answer, and what was filtered."""
    deciding = settings.model_dump(include=set(_DECIDING))
    question = json.dumps((deciding, words), sort_keys=True, default=_spelled)
    digest = hashlib.blake2b(question.encode(), digest_size=4).hexdigest()
    return f"{_NO_NAME.sub('-', label)}-{digest}"


def _spelled(value: object) -> object:
    """Sets have no order of their own: it is another one in every process."""
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)
