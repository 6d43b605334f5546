"""By which settings a replay asks, and what it is called if nobody names it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from proxy.config_file import ConfigFile
from proxy.rules import OverrideSettings
from proxy.settings import Settings, load_settings

_OVERRIDE: Final = "rollout_override"
_DECIDING: Final = frozenset(
    {
        *("rollout", _OVERRIDE, "legacy_url", "upstream_url", "models", "model_facts"),
        *("strictness", "prefill", "prefill_model", "leading_space", "beta_header"),
        *("refusal", "refuse"),
    }
)
"""What an answer depends on."""
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


def with_rules(settings: Settings, rules: Path, secrets: Path | None) -> Settings:
    """
    What a file of rules says, and the rest as it is; raises `InvalidSettings`.

    A kill switch that is thrown at the moment says nothing about the file.
    """
    file = ConfigFile.read(rules)
    rest = settings.model_fields_set - file.tree().keys() - {_OVERRIDE}
    return load_settings(file, secrets=secrets, **{name: getattr(settings, name) for name in rest})


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
