"""Settings that a replay asks by, and its default name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from proxy.cli.load_config import environment_key
from proxy.config.settings import Settings
from proxy.config.sources import load_settings
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
"""Settings that an answer depends on, so that they are part of a replay's default name."""
_KEYS: Final = {"upstream_url": "upstream_key", "legacy_url": "legacy_key"}
"""The setting with an upstream's url, and the one with the key that belongs to it."""
_SIMULATOR_KEY: Final = SecretStr("sk-ant-api03-replay")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")


def with_rules(settings: Settings, rules: Path, secrets: Path | None) -> Settings:
    """
    Return the settings of a file of rules, completed by the present ones; raise `InvalidSettings`.

    A kill switch that is on at the moment does not apply to the file. Keys are
    left out if the file names another upstream than the one they were given for.
    """
    file = TomlSource.read(rules)
    rest = settings.model_fields_set - file.tree().keys() - {_OVERRIDE}
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
    """Return the settings without those keys of this kind that were not given in the file."""
    changes: dict[str, object] = {key: None} if key in given else {}
    if "callers" in given:
        changes["callers"] = {
            name: caller.model_copy(update={key: None}) for name, caller in settings.callers.items()
        }
    return settings.model_copy(update=changes)


def with_environment_key(settings: Settings) -> Settings:
    """Use the environment's key for the Messages API unless one is set; raise `InvalidSettings`."""
    if settings.upstream_key is not None or (key := environment_key()) is None:
        return settings
    return settings.model_copy(update={"upstream_key": SecretStr(key)})


def with_upstream_url(settings: Settings, url: str) -> Settings:
    """Return the settings with another upstream in place of the Messages API, without its keys."""
    elsewhere = settings.model_copy(update={"upstream_url": url})
    return _without(elsewhere, "upstream_key", Settings.model_fields)


def with_simulator_keys(settings: Settings) -> Settings:
    """Replace all keys by one that simulators accept, so that no real key is sent to them."""
    keys: dict[str, object] = dict.fromkeys(_KEYS.values(), _SIMULATOR_KEY)
    # Digests open no key, and records from before they were listed get their names from them.
    named = {name: each for name, each in settings.callers.items() if each.digest is not None}
    return settings.model_copy(update=keys | {"callers": named})


def with_model(settings: Settings, model: str) -> Settings:
    """Return settings that translate every request for this model."""
    override = OverrideSettings(action="translate", model=model)
    return settings.model_copy(update={_OVERRIDE: override})


def upstream_urls(settings: Settings) -> Iterator[str]:
    """Yield the base urls that requests may be sent to by these rules."""
    yield settings.upstream_url
    override = settings.rollout_override
    routes = settings.rollout if override is None else (override,)
    if settings.legacy_url is not None and any(route.action == "forward" for route in routes):
        yield settings.legacy_url


def default_name(label: str, settings: Settings, words: tuple[str | None, ...]) -> str:
    """Return a name that depends only on the filter and on settings that decide answers."""
    deciding = settings.model_dump(include=set(_DECIDING))
    question = json.dumps(
        (deciding, words),
        sort_keys=True,
        # The order of a set of strings differs between processes.
        default=lambda value: (
            sorted(map(str, value)) if isinstance(value, frozenset) else str(value)
        ),
    )
    digest = hashlib.blake2b(question.encode(), digest_size=4).hexdigest()
    return f"{_NOT_IN_NAMES.sub('-', label)}-{digest}"
